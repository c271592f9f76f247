"""What a product cost and earned, by day, by stage, by attempt."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID

from django.db.models import Max, Q, Sum
from django.db.models.functions import TruncDate, TruncMonth
from django.utils import timezone

from agents.gateway.models import Call, CallQuerySet
from billing.models import CostHour, Entry, EntryQuerySet, RevenueEvent, Scope
from core.clock import end_of_month
from factory.insight import rules
from factory.insight.rules import PnlRow
from factory.work.models import Attempt
from portfolio.models import Product, StageChange

STAGES = tuple(Product.Stage.values)


def product_pnl(product: Product) -> tuple[PnlRow, ...]:
    """Return the product's profit and loss by UTC day and kind; their sum is its profit to the millionth.

    Costs are those of all attempts, also failed ones, and the product's share of what belongs to no product: split
    per month, booked on the last day of the month on which there was such a cost. Source: R-18.12.
    """
    return rules.pnl_rows([*_own_costs(product), *_revenue(product), *_shared_costs(product)])


def own_costs(product: Product) -> EntryQuerySet:
    """Return the ledger entries of the product's story, from its first signal on."""
    return Entry.objects.filter(Q(scope=product.scope_id) | Q(correlation_id=product.correlation_id))


def _own_costs(product: Product) -> Iterator[tuple[date, str, int]]:
    sums = CostHour.objects.filter(Q(scope=product.scope_id) | Q(correlation_id=product.correlation_id))
    by_day = sums.values_list("day", "kind")
    for day, kind, total in by_day.annotate(total=Sum("amount_microusd")).order_by("day", "kind"):
        yield day, kind, -total


def _revenue(product: Product) -> Iterator[tuple[date, str, int]]:
    events = RevenueEvent.objects.filter(scope=product.scope_id).annotate(day=TruncDate("at", tzinfo=UTC))
    by_day = events.values_list("day", "kind").annotate(total=Sum("amount_microusd"))
    yield from by_day.order_by("day", "kind")


def _shared_costs(product: Product) -> Iterator[tuple[date, str, int]]:
    stories = Product.objects.values("correlation_id")
    shared = CostHour.objects.exclude(scope__kind=Scope.Kind.PRODUCT).exclude(correlation_id__in=stories)
    by_month = shared.annotate(month=TruncMonth("day")).values_list("month")
    sums = by_month.annotate(total=Sum("amount_microusd"), last=Max("day")).order_by("month")
    for month, total, last in sums:
        share = rules.split_shared(total, direct=_direct_costs(month)).get(product.pk, 0)
        yield last, rules.SHARED, -share


def _direct_costs(month: date) -> dict[UUID, int]:
    """Return what each product that stood in the month of this first day cost in it by itself."""
    end = end_of_month(datetime(month.year, month.month, 1, tzinfo=UTC))
    products = list(Product.objects.filter(opened_at__lt=end).order_by("opened_at", "pk"))
    by_scope = {product.scope_id: product.pk for product in products}
    by_story = {product.correlation_id: product.pk for product in products}
    costs = dict.fromkeys(by_scope.values(), 0)
    hours = CostHour.objects.filter(day__gte=month, day__lt=end.date())
    groups = hours.values_list("scope_id", "correlation_id")
    for scope, story, total in groups.annotate(total=Sum("amount_microusd")):
        owner = by_scope.get(scope) or by_story.get(story)
        if owner is not None:
            costs[owner] += total
    return costs


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


def stage_costs(product: Product) -> tuple[StageCost, ...]:
    """Return the five stages in order; their costs add up to what the product cost by itself."""
    spans: dict[str, list[tuple[datetime, datetime]]] = defaultdict(list)
    stage_of: dict[UUID, str] = {}
    attempts = Attempt.objects.filter(task__dag__correlation_id=product.correlation_id)
    for attempt, stage, began, ended in attempts.values_list(
        "pk", "task__arguments__stage", "started_at", "ended_at"
    ):
        name = str(stage).lower()
        if name in STAGES:
            stage_of[attempt] = name
            spans[name] += [(began, ended or timezone.now())] if began else []
    costs = _cost_by_stage(product, stage_of)
    seconds = {name: _length(spans[name]) for name in STAGES}
    seconds[Product.Stage.SCAN] = _scan_s(product)
    here = STAGES.index(product.stage)
    return tuple(
        StageCost(name, _state_of(index, here), seconds[name], costs[name])
        for index, name in enumerate(STAGES)
    )


def _scan_s(product: Product) -> float | None:
    """How long the scan took that last saw what the product came of; None for an owner's own idea."""
    scan = product.opportunity.scan if product.opportunity else None
    return scan.took_s if scan else None


def _state_of(index: int, here: int) -> str:
    return "done" if index < here else "on" if index == here else "later"


def _length(spans: list[tuple[datetime, datetime]]) -> float | None:
    if not spans:
        return None
    return (max(end for _, end in spans) - min(start for start, _ in spans)).total_seconds()


def _cost_by_stage(product: Product, stage_of: Mapping[UUID, str]) -> dict[str, int]:
    """A cost belongs to the stage of the task that caused it; one without a task to the stage of its moment."""
    attempt_of = dict(Call.objects.of_story(product.correlation_id).values_list("pk", "assignment_id"))
    changes = StageChange.objects.filter(product=product, new__in=STAGES).values_list("at", "new")
    steps = list(changes.order_by("at", "id"))
    costs = dict.fromkeys(STAGES, 0)
    for call, at, amount in own_costs(product).values_list("call_id", "at", "amount_microusd"):
        attempt = attempt_of.get(call) if call else None
        stage = stage_of.get(attempt) if attempt else None
        costs[stage or _stage_at(at, steps)] += amount
    return costs


def _stage_at(moment: datetime, steps: list[tuple[datetime, str]]) -> str:
    """Before it was opened, everything was a search."""
    return next((new for at, new in reversed(steps) if at <= moment), STAGES[0])


def attempt_costs(correlation_id: UUID) -> dict[UUID, int]:
    """Return what each attempt of a story cost so far, by its id; one without calls is left out."""
    return cost_by_attempt(Call.objects.of_story(correlation_id))


def cost_by_attempt(calls: CallQuerySet) -> dict[UUID, int]:
    """Return what the ledger says that these calls cost, by the attempt that made them."""
    attempt_of = dict(calls.values_list("pk", "assignment_id"))
    costs: dict[UUID, int] = defaultdict(int)
    entries = Entry.objects.filter(call_id__in=calls.order_by().values("pk"))
    for call, amount in entries.values_list("call_id", "amount_microusd"):
        if call is not None:
            costs[attempt_of[call]] += amount
    return dict(costs)
