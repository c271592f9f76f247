"""Rows for tests: each builder fills in what the test does not care about."""

from typing import Any

from approvals.models import Request
from approvals.services import ask_owner
from core.ids import new_id
from core.models import User


def a_user(*, role: str = User.Role.OWNER, name: str = "", is_simulated: bool = False) -> User:
    """Return a person who signs in."""
    return User.objects.create(username=name or f"user-{new_id()}", role=role, is_simulated=is_simulated)


def a_request(*, action: str, arguments: dict[str, Any] | None = None, **card: Any) -> Request:
    """Return a question that waits for the owner; its action must be registered."""
    said = {
        "title": "Start building Linkly?", "reason": "The plan fits.", "asked_by": "agent:Kev", "on_yes": "Work starts.",
        "on_no": "Nothing is built.", "worst_case_microusd": 70_000_000, "key": str(new_id()),
    }  # fmt: skip
    return ask_owner(action=action, arguments=arguments or {}, **{**said, **card})
