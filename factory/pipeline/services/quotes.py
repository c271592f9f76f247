"""Quotes: made before an owner is asked, kept, and held against what the build did cost."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any
from uuid import UUID

from django.db.models import Sum

from agents.gateway.errors import NoCapableModel, PriceUnknown, ReviewerUnavailable
from agents.gateway.models import ModelEntry
from agents.gateway.ports import Ask, Intent, Message
from agents.gateway.services.catalogue import tariffs_on
from agents.gateway.services.routes import routes_for
from agents.roster.models import Agent
from billing.adapters.limits import table_row
from billing.errors import BudgetExceeded
from billing.models import Limit, Period, Scope
from billing.services import factory_scope
from core.ids import new_id
from core.models import Mode
from core.services import business_now, current_mode
from factory.pipeline.models import Plan, Quote
from factory.pipeline.rules.plan import Planned
from factory.pipeline.rules.quote import (
    EFFORTS,
    ORDER,
    PARTS,
    Part,
    Rates,
    Spent,
    by_builds,
    by_tokens,
    cost_of,
)
from factory.work.models import Attempt, Dag
from portfolio.models import Product

MOST_BUILDS = 20
_PROVES = ("package", "review", "test")


def quote_build(product: Product, *, task_id: UUID, tasks: Sequence[Planned]) -> Quote:
    """Return the quote of the gate `task_id`, made at the first call from builds that ended, else from tokens."""
    first = Quote.objects.filter(task_id=task_id).first()
    if first is not None:
        return first
    stop, past = _cap_of(product.scope, default=table_row("product")["life"]), _past_builds()
    parts = [_part(name, tasks, product=product, past=past) for name in ORDER]
    cost = cost_of(parts, stop_microusd=stop)
    made: Quote = Quote.objects.get_or_create(
        task_id=task_id,
        defaults={
            "product": product,
            "basis": Quote.Basis.BUILDS if past else Quote.Basis.TOKENS,
            "builds": len(past),
            "parts": [asdict(one) for one in parts],
            "low_microusd": cost.low,
            "high_microusd": cost.high,
            "stop_microusd": stop,
            "low_s": sum(one.low_s for one in parts),
            "high_s": sum(one.high_s for one in parts),
            "day_cap_microusd": _cap_of(factory_scope(), period=Period.DAY),
            "unknown": list(cost.unknown),
            "mode": current_mode(),
            "made_at": business_now(),
        },
    )[0]
    return made


def _cap_of(scope: Scope, *, period: str = Period.LIFE, default: int = 0) -> int:
    cap = Limit.objects.filter(scope=scope, period=period).values_list("cap_microusd", flat=True).first()
    return default if cap is None else cap


def _part(
    name: str, tasks: Sequence[Planned], *, product: Product, past: Sequence[Mapping[str, Spent]]
) -> Part:
    """One line: what ended builds took for it, or what its steps take of the models that would serve."""
    planned = [task for task in tasks if PARTS.get(task.part) == name]
    who = planned[0].agent if planned else "Rex"
    kinds = [task.part for task in planned] or ["mend"]
    agent = Agent.objects.filter(name=who).select_related("version", "scope").first()
    model = who_serves(agent, product=product) if agent else None
    taken = [build[name] for build in past if name in build]
    if taken:
        return by_builds(name, taken, agent=who, model=model.name if model else "")
    return by_tokens(
        name,
        [EFFORTS[kind] for kind in kinds],
        agent=who,
        model=model.name if model else "",
        rates=_rates_of(model),
    )


def who_serves(agent: Agent, *, product: Product, not_model: str = "") -> ModelEntry | None:
    """Return the model that would answer this agent first today, of another family than `not_model`; None: nobody would."""
    ask = Ask(
        agent=agent.name,
        assignment_id=new_id(),
        scopes=(agent.scope_id, product.scope_id),
        system="",
        messages=(Message("user", "quote"),),
        max_tokens=1_000,
        intent=Intent(
            task_type="coding",
            quality=agent.definition.quality,
            prefer_provider=agent.definition.preferred_provider,
            not_model=not_model,
        ),
    )
    try:
        return routes_for(ask)[0].model
    except (NoCapableModel, PriceUnknown, ReviewerUnavailable, BudgetExceeded):
        return None


def _rates_of(model: ModelEntry | None) -> Rates | None:
    tariff = tariffs_on(business_now().date()).get(model.pk) if model else None
    return Rates(tariff.input, tariff.output, tariff.cached) if tariff else None


def _past_builds() -> list[dict[str, Spent]]:
    """What each part took in the last builds of this mode that ended well."""
    ended = Dag.objects.filter(
        key__startswith="build:", state=Dag.State.COMPLETED, scope__mode=current_mode()
    )
    found = [spent_by_part(dag) for dag in ended.order_by("-created_at")[:MOST_BUILDS]]
    return [build for build in found if build]


def spent_by_part(dag: Dag) -> dict[str, Spent]:
    """Return what every part of a build took so far: money of all its tries, seconds of work."""
    parts = _parts_of_plan(dag)
    taken: dict[str, list[tuple[int, float]]] = defaultdict(list)
    attempts = Attempt.objects.filter(task__dag=dag, started_at__isnull=False).with_costs()
    for attempt in attempts.select_related("task"):
        name = PARTS.get(parts.get(attempt.task.key, _kind_of(attempt.task.key)), "Code")
        taken[name].append((getattr(attempt, "cost_microusd", 0), attempt.worked_s))
    return {
        name: Spent(sum(cost for cost, _ in rows), sum(seconds for _, seconds in rows))
        for name, rows in taken.items()
    }


def _parts_of_plan(dag: Dag) -> dict[str, str]:
    """Which part of the plan each planned task is, by its key."""
    plan = Plan.objects.filter(product=dag.product_id, violations=[]).order_by("-version").first()
    tasks: list[dict[str, Any]] = plan.content.get("tasks", []) if plan else []
    return {task["id"]: task["part"] for task in tasks}


def _kind_of(key: str) -> str:
    """Which part a task is that the platform put between the planned ones."""
    start = key.partition("-")[0]
    return "test" if start in _PROVES else start


@dataclass(frozen=True)
class Held:
    """One line of a quote beside what it did cost so far; None: nothing of it was done."""

    part: Part
    spent: Spent | None


def build_of(product: Product) -> Dag | None:
    """Return the build that was begun for this product."""
    return Dag.objects.filter(key=f"build:{product.pk}").first()


def held_against(quote: Quote) -> list[Held]:
    """Return each line of a quote with what the build took for it, and what it took unforeseen."""
    dag = build_of(quote.product)
    spent = spent_by_part(dag) if dag else {}
    parts = [held.part for held in foreseen(quote)]
    names = {part.name for part in parts}
    unforeseen = [Part(name, "", "", 0, 0, 0, 0) for name in ORDER if name in spent and name not in names]
    return [Held(part, spent.get(part.name)) for part in (*parts, *unforeseen)]


def foreseen(quote: Quote) -> list[Held]:
    """Return each line of a quote, without what the build took for it."""
    return [Held(Part(**row), None) for row in quote.parts]


def last_quote(product: Product) -> Quote | None:
    """Return the quote the owner was asked with last."""
    return Quote.objects.filter(product=product).order_by("-made_at", "-id").first()


@dataclass(frozen=True)
class MonthPlanned:
    """What the builds of one month were expected to cost, and what they did cost so far; None: not known. Source: R-08.24."""

    month: date
    builds: int
    low_microusd: int | None
    high_microusd: int | None
    actual_microusd: int
    is_rehearsed: bool


def months_planned() -> list[MonthPlanned]:
    """Return plan and actual by UTC month, the newest first; only quotes whose build was begun count."""
    begun, latest = _spent_by_product(), {}
    for quote in Quote.objects.defer("parts").filter(product__in=begun).order_by("made_at", "id"):
        latest[quote.product_id] = quote
    rows: dict[date, list[Quote]] = defaultdict(list)
    for quote in latest.values():
        rows[quote.made_at.date().replace(day=1)].append(quote)
    return [
        MonthPlanned(
            month,
            len(quotes),
            _together(one.cost.least for one in quotes),
            _together(one.cost.most for one in quotes),
            sum(begun[one.product_id] for one in quotes),
            any(one.mode == Mode.REHEARSAL for one in quotes),
        )
        for month, quotes in sorted(rows.items(), reverse=True)
    ]


def _together(amounts: Iterable[int | None]) -> int | None:
    """The sum; None where one of them is not known."""
    total = 0
    for amount in amounts:
        if amount is None:
            return None
        total += amount
    return total


def _spent_by_product() -> dict[UUID, int]:
    """What the build of each product cost so far, all tries."""
    dags = Dag.objects.filter(key__startswith="build:", product__isnull=False)
    tries = Attempt.objects.filter(task__dag__in=dags).with_costs().order_by()
    costs = tries.values_list("task__dag__product").annotate(total=Sum("cost_microusd"))
    return dict.fromkeys(dags.values_list("product", flat=True), 0) | dict(costs)
