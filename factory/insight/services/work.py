"""Who works now, and what a story used."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.utils import timezone

from agents.gateway.models import Call
from billing.models import Entry
from core.adapters.questions import Question, prepared
from factory.insight.services.products import OwnSum, cost_by_attempt, own_sums
from factory.work.models import Attempt
from portfolio.models import Product

AT_MOST = 50


@dataclass(frozen=True)
class AtWork:
    """One attempt that runs now; `agent` is empty for the platform's own work."""

    attempt_id: UUID
    agent: str
    title: str
    product: str
    slug: str
    seconds: float
    cost_microusd: int


_AT_WORK: Final = Attempt.objects.at_work().values_list(
    "pk", "claimed_at", "agent__name", "task__title", "task__dag__product__name", "task__dag__product__slug"
)


def who_works() -> tuple[AtWork, ...]:
    """Return who works now, who began first comes first."""
    rows = list(_AT_WORK[:AT_MOST])
    costs = cost_by_attempt(Call.objects.filter(assignment_id__in=[row[0] for row in rows]))
    now = timezone.now()
    return tuple(
        AtWork(
            attempt_id=pk,
            agent=agent or "",
            title=title,
            product=product or "",
            slug=slug or "",
            seconds=(now - claimed_at).total_seconds(),
            cost_microusd=costs.get(pk, 0),
        )
        for pk, claimed_at, agent, title, product, slug in rows
    )


@dataclass(frozen=True)
class StoryUse:
    """What one story used of models.

    Attributes:
        calls: settled calls in the ledger.
        lost_microusd: part of the cost that was booked at its bound, because the real cost is unknown.
    """

    calls: int
    open_calls: int
    cost_microusd: int
    lost_microusd: int


@prepared
def _rare_calls() -> Question:
    """Calls of all stories whose cost is not known for sure."""
    rare = Call.objects.filter(status__in=[Call.Status.OPEN, Call.Status.LOST]).order_by()
    return rare.values_list("status", "correlation_id", "cost_microusd")


def story_use(product: Product, *, own: Sequence[OwnSum] | None = None) -> StoryUse:
    """Return what the product's story used so far, of `own` if it is at hand; open and lost calls are few, so all are read."""
    booked = [one for one in (own_sums(product) if own is None else own) if one.is_of_story]
    mine = [(status, cost or 0) for status, story, cost in _rare_calls() if story == product.correlation_id]
    return StoryUse(
        calls=sum(one.entries for one in booked if one.kind == Entry.Kind.MODEL_CALL),
        open_calls=sum(status == Call.Status.OPEN for status, _ in mine),
        cost_microusd=sum(one.amount_microusd for one in booked),
        lost_microusd=sum(cost for status, cost in mine if status == Call.Status.LOST),
    )
