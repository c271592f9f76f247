"""Who works now, and what a story used."""

from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q, Sum
from django.utils import timezone

from agents.gateway.models import Call
from billing.models import CostHour, Entry
from factory.insight.services.products import cost_by_attempt
from factory.work.models import Attempt

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


def who_works() -> tuple[AtWork, ...]:
    """Return who works now, who began first comes first."""
    names = ("agent__name", "task__title", "task__dag__product__name", "task__dag__product__slug")
    rows = list(Attempt.objects.at_work().values_list("pk", "claimed_at", *names)[:AT_MOST])
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


def story_use(correlation_id: UUID) -> StoryUse:
    """Return what the story used so far; open and lost calls are few, so all of them are read."""
    hours = CostHour.objects.filter(correlation_id=correlation_id)
    booked = hours.aggregate(
        cost=Sum("amount_microusd"), calls=Sum("entries", filter=Q(kind=Entry.Kind.MODEL_CALL))
    )
    rare = Call.objects.filter(status__in=[Call.Status.OPEN, Call.Status.LOST]).order_by()
    mine = [
        (status, cost or 0)
        for status, story, cost in rare.values_list("status", "correlation_id", "cost_microusd")
        if story == correlation_id
    ]
    return StoryUse(
        calls=booked["calls"] or 0,
        open_calls=sum(status == Call.Status.OPEN for status, _ in mine),
        cost_microusd=booked["cost"] or 0,
        lost_microusd=sum(cost for status, cost in mine if status == Call.Status.LOST),
    )
