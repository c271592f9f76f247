"""Two actions whose effects are rows, to ask about in tests."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from approvals.errors import NotTakenBack
from core.models import AuditRow
from core.registry import register_action
from core.services import advance_to, audit, business_now

ANYTHING = {"type": "object"}


def refuse(arguments: Mapping[str, Any], *, decision_id: UUID) -> None:
    """Leave a row that says no."""
    audit(actor="test", verb="effect.no", subject=str(decision_id))


def hold_back(arguments: Mapping[str, Any], *, decision_id: UUID) -> None:
    """Leave a row, unless the effect has begun."""
    if arguments.get("has_begun"):
        raise NotTakenBack
    audit(actor="test", verb="effect.held_back", subject=str(decision_id))


@register_action("test.pay", schema=ANYTHING, on_no=refuse, on_take_back=hold_back)
def pay(arguments: Mapping[str, Any], *, decision_id: UUID) -> None:
    """Leave a row that says yes."""
    audit(actor="test", verb="effect.yes", subject=str(decision_id))


@register_action("test.tell", schema=ANYTHING, on_no=refuse)
def tell(arguments: Mapping[str, Any], *, decision_id: UUID) -> None:
    """Done at once: there is no way back."""
    audit(actor="test", verb="effect.yes", subject=str(decision_id))


def effects() -> list[str]:
    """Return the effects that happened, oldest first."""
    rows = AuditRow.objects.filter(verb__startswith="effect.").order_by("pk")
    return [verb.removeprefix("effect.") for verb in rows.values_list("verb", flat=True)]


def wait(**span: float) -> None:
    """Let business time pass."""
    advance_to(business_now() + timedelta(**span))
