"""Objectives: received once, moved along, every change written down."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from core.services import publish
from core.states import check_move
from factory.pipeline.errors import IdeaTooLong
from factory.pipeline.models import Objective, ObjectiveChange
from factory.pipeline.rules.objectives import MOST_BYTES, MOVES
from portfolio.models import Product


@dataclass(frozen=True)
class Wish:
    """What somebody wants.

    Attributes:
        key: idempotency key of the source.
        by: who says so, e.g. `owner:ada`, `agent:Scout`; told by the door, never by the text.
        budget_microusd: most that may be spent on it; None: the limits bind alone.
        deadline: business time.
    """

    text: str
    source: str
    key: str
    by: str
    budget_microusd: int | None = None
    deadline: datetime | None = None


@transaction.atomic
def receive_objective(wish: Wish) -> tuple[Objective, bool]:
    """Return the objective of this wish, and whether it is new: the same source and key give the first one.

    Raises:
        IdeaTooLong: more than 32 KB; nothing was written.
    """
    if (size := len(wish.text.encode())) > MOST_BYTES:
        raise IdeaTooLong(size_bytes=size)
    said = {
        "text": wish.text, "created_by": wish.by[:80], "budget_microusd": wish.budget_microusd, "deadline": wish.deadline,
    }  # fmt: skip
    objective, is_new = Objective.objects.get_or_create(
        source=Objective.Source(wish.source), key=wish.key[:160], defaults=said
    )
    if is_new:
        publish("pipeline.objective_received", objective_id=str(objective.pk), source=objective.source)
    return objective, is_new


@transaction.atomic
def move_objective(objective: Objective, *, to: str, actor: str, reason: str = "") -> bool:
    """Change the state of an objective as it was read; say whether it changed: a repeat changes nothing.

    Raises:
        IllegalMove: no objective may go that way.
    """
    old = objective.state
    if old == to:
        return False
    check_move(MOVES, old=old, new=to)
    fresh = {"state": to, "reason": reason[:500], "changed_at": timezone.now()}
    if not Objective.objects.filter(pk=objective.pk, state=old).update(**fresh):
        return False
    ObjectiveChange.objects.create(
        objective=objective, old=old, new=to, actor=actor[:160], reason=reason[:500]
    )
    objective.refresh_from_db(fields=list(fresh))
    publish("pipeline.objective_changed", objective_id=str(objective.pk), state=to)
    return True


def follow_product(product_id: UUID | str, *, to: str, actor: str, reason: str = "") -> None:
    """Move what was asked for about this product along, where it may go there. Safe to run twice."""
    for objective in Objective.objects.open().filter(product_id=product_id):
        if to in MOVES[objective.state]:
            move_objective(objective, to=to, actor=actor, reason=reason)


def attach(objective: Objective, product: Product) -> None:
    """Note which product an objective is about."""
    Objective.objects.filter(pk=objective.pk).update(product=product)
    objective.product = product
