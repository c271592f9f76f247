"""What a product cost and earned, by day, by stage, by attempt."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Final
from uuid import UUID

from django.db.models import Case, Count, Max, Min, OuterRef, Q, Subquery, Sum, When
from django.db.models.functions import TruncDate
from django.utils import timezone

from agents.gateway.models import Call, CallQuerySet
from billing.models import CostHour, Entry, EntryQuerySet, Period, RevenueEvent, Window
from core.adapters.questions import Question, prepared
from factory.insight import rules
from factory.insight.rules import PnlRow
from factory.insight.services.shares import shared_costs
from factory.work.models import Attempt
from portfolio.models import Product, StageChange

STAGES = tuple(Product.Stage.values)


@dataclass(frozen=True)
class OwnSum:
    """What one kind of cost added up to on one UTC day of a product's story, before it was a product too.

    Attributes:
        hour: of that day; None: calls of models, which are told apart by day alone.
    """

    day: date
    hour: int | None
    kind: str
    is_of_story: bool
    amount_microusd: int
    entries: int


_TOLD_APART: Final = ("day", "of_hour", "kind", "correlation_id")
_SUMS: Final = (
    CostHour.objects.annotate(of_hour=Case(When(kind=Entry.Kind.MODEL_CALL, then=None), default="hour"))
    .values_list(*_TOLD_APART)
    .annotate(total=Sum("amount_microusd"), entries_in_all=Sum("entries"))
    .order_by("day", "kind")
)


def own_sums(product: Product) -> tuple[OwnSum, ...]:
    """Return what the product cost by itself, by day and kind; their sum is all of it."""
    story = product.correlation_id
    rows = _sums_of(product.scope_id, story)
    return tuple(
        OwnSum(day, hour, kind, of == story, total, entries) for day, hour, kind, of, total, entries in rows
    )


@prepared
def _sums_of(scope: UUID, story: UUID) -> Question:
    return _SUMS.filter(Q(scope=scope) | Q(correlation_id=story))


def product_pnl(product: Product, *, own: Sequence[OwnSum] | None = None) -> tuple[PnlRow, ...]:
    """Return the product's profit and loss by UTC day and kind; their sum is its profit to the millionth.

    Costs are those of all attempts, also failed ones, and the product's share of what belongs to no product: split
    per month, booked on the last day of the month on which there was such a cost. Source: R-18.12.

    Args:
        product: whose.
        own: its own sums, where they are at hand.
    """
    spent = own_sums(product) if own is None else own
    costs = [(one.day, one.kind, -one.amount_microusd) for one in spent]
    return rules.pnl_rows([*costs, *_revenue(product), *shared_costs(product)])


def own_costs(product: Product) -> EntryQuerySet:
    """Return the ledger entries of the product's story, from its first signal on."""
    return Entry.objects.filter(Q(scope=product.scope_id) | Q(correlation_id=product.correlation_id))


_EARNED: Final = (
    RevenueEvent.objects.annotate(on=TruncDate("at", tzinfo=UTC))
    .values_list("on", "kind")
    .annotate(total=Sum("amount_microusd"))
    .order_by("on", "kind")
)


def _revenue(product: Product) -> Iterator[tuple[date, str, int]]:
    yield from _earned_in(product.scope_id)


@prepared
def _earned_in(scope: UUID) -> Question:
    return _EARNED.filter(scope=scope)


@dataclass(frozen=True)
class StageCost:
    """What one stage of a product took.

    Attributes:
        state: `done`, `on` or `later`.
        seconds: from the first attempt to the last one's end, in machine time; None: nothing was carried out.
    """

    name: str
    state: str
    seconds: float | None
    cost_microusd: int


def stage_costs(product: Product, *, own: Sequence[OwnSum] | None = None) -> tuple[StageCost, ...]:
    """Return the five stages in order; their costs add up to what the product cost by itself, to `own` if it is at hand."""
    spans = _spans(product)
    spent = own_sums(product) if own is None else own
    costs = _cost_by_stage(product, spent=spent)
    seconds = {name: spans.get(name) for name in STAGES}
    seconds[Product.Stage.SCAN] = _scan_s(product)
    here = STAGES.index(product.stage)
    return tuple(
        StageCost(name, _state_of(index, here), seconds[name], costs[name])
        for index, name in enumerate(STAGES)
    )


_SPANS: Final = (
    Attempt.objects.filter(started_at__isnull=False)
    .order_by()
    .values_list("task__arguments__stage")
    .annotate(began=Min("started_at"), ended=Max("ended_at"), n=Count("pk", filter=Q(ended_at=None)))
)


def _spans(product: Product) -> dict[str, float]:
    """How long each stage's attempts took, from the first start to the last end, or to now while one is open."""
    now = timezone.now()
    rows = _spans_of(product.correlation_id)
    return {
        str(stage).lower(): ((now if is_open else ended) - began).total_seconds()
        for stage, began, ended, is_open in rows
    }


@prepared
def _spans_of(story: UUID) -> Question:
    return _SPANS.filter(task__dag__correlation_id=story)


def _scan_s(product: Product) -> float | None:
    """How long the scan took that last saw what the product came of; None for an owner's own idea."""
    scan = product.opportunity.scan if product.opportunity else None
    return scan.took_s if scan else None


def _state_of(index: int, here: int) -> str:
    return "done" if index < here else "on" if index == here else "later"


def _cost_by_stage(product: Product, *, spent: Sequence[OwnSum]) -> dict[str, int]:
    """A step's cost belongs to the stage of the step, by its own window; other kinds of cost to the stage of their hour.

    Calls outside any step were made before there was a plan: they belong to the search.
    """
    costs = dict.fromkeys(STAGES, 0)
    for stage, amount in _cost_by_step_stage(product.correlation_id, tuple(spent)):
        if (name := stage.lower()) in costs:
            costs[name] += amount
    others = [one for one in spent if one.hour is not None]
    changes = _changes(product) if others else []
    for one in others:
        hour = datetime(one.day.year, one.day.month, one.day.day, one.hour or 0, tzinfo=UTC)
        costs[_stage_at(hour, changes)] += one.amount_microusd
    costs[STAGES[0]] += sum(one.amount_microusd for one in spent) - sum(costs.values())
    return costs


@lru_cache(maxsize=32)
def _cost_by_step_stage(story: UUID, spent: tuple[OwnSum, ...]) -> tuple[tuple[str, int], ...]:
    """Return what the steps of each stage cost. Kept while the story's sums are these: what a step spent is a part of them."""
    windows = Window.objects.filter(period=Period.LIFE, scope__task__dag__correlation_id=story)
    stages = windows.order_by().values_list("scope__task__arguments__stage")
    return tuple((str(stage), total) for stage, total in stages.annotate(spent=Sum("spent_microusd")))


def _changes(product: Product) -> list[tuple[datetime, str]]:
    changes = StageChange.objects.filter(product=product, new__in=STAGES).order_by("at", "id")
    return list(changes.values_list("at", "new"))


def _stage_at(moment: datetime, steps: list[tuple[datetime, str]]) -> str:
    """Before it was opened, everything was a search."""
    return next((new for at, new in reversed(steps) if at <= moment), STAGES[0])


_MAKER: Final = Call.objects.filter(pk=OuterRef("call_id")).values("assignment_id")
_BY_ATTEMPT: Final = (
    Entry.objects.order_by()
    .annotate(attempt=Subquery(_MAKER))
    .values_list("attempt")
    .annotate(total=Sum("amount_microusd"))
)


def cost_by_attempt(calls: CallQuerySet) -> dict[UUID, int]:
    """Return what the ledger says that these calls cost, by the attempt that made them."""
    return dict(_BY_ATTEMPT.filter(call_id__in=calls.order_by().values("pk")))
