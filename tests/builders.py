"""Rows for tests: each builder fills in what the test does not care about."""

from typing import Any

from agents.roster.models import Agent, AgentVersion
from agents.roster.rules import Definition
from approvals.models import Request
from approvals.services import ask_owner
from billing.models import Scope
from billing.services import factory_scope, open_scope, set_limit
from core.ids import digest_of, new_id
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


def a_scope(*, kind: str = Scope.Kind.TASK, ref: str = "", **caps_microusd: int) -> Scope:
    """Return an address of money with the limits of the table, and with these instead: `life=1_000_000`."""
    name = ref or f"{kind}-{new_id()}"
    scope = open_scope(kind=kind, ref=name, label=f"{kind.capitalize()} {name}")
    for period, cap_microusd in caps_microusd.items():
        set_limit(scope, period=period, cap_microusd=cap_microusd)
    return scope


def a_factory_limit(**caps_microusd: int) -> Scope:
    """Return the factory's scope with these limits: `day=1_000_000`."""
    for period, cap_microusd in caps_microusd.items():
        set_limit(factory_scope(), period=period, cap_microusd=cap_microusd)
    return factory_scope()


def an_agent(
    name: str = "Rex", *, front: dict[str, Any] | None = None, version: AgentVersion | None = None
) -> Agent:
    """Return a member of staff who works, with what `front` says and every default."""
    said = Definition.model_validate({"name": name, "role": "tester", **(front or {})}).model_dump(
        mode="json"
    )
    made = version or AgentVersion.objects.create(
        name=name, sha256=digest_of([str(new_id())]), front=said, body=f"You are {name}."
    )
    return Agent.objects.create(
        name=name,
        role="tester",
        is_enabled=True,
        version=made,
        scope=a_scope(kind=Scope.Kind.AGENT, ref=name),
    )
