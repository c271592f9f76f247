"""Where the money of the last days went: by hour, agent, model, band, venture and kind."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final
from uuid import UUID

from agents.gateway.models import ModelEntry
from agents.roster.models import Agent
from billing.models import CostHour, Entry, Limit, Period, Window
from core.clock import start_of_month
from factory.insight.services.money import Purse
from portfolio.models import Product

HOURS_SHOWN: Final = 24
USUAL_DAYS: Final = 7
BANDS: Final = ("low", "mid", "top")
BAND_OF_TIER: Final = {"local": "low", "budget": "low", "mid": "mid", "premium": "mid", "frontier": "top"}
"""Source: R-02.7."""
GOAL_SHARES: Final = (0.60, 0.30, 0.10)
"""Of the calls, cheap, mid-priced and top models should make these shares."""


@dataclass(frozen=True)
class AgentCost:
    """What one agent costs today, against its limit and its usual day (mean of the seven before)."""

    agent: Agent
    purse: Purse
    usual_microusd: int
    calls: int


@dataclass(frozen=True)
class ModelCost:
    """What one model did today; `band` is empty for a model that is in no list any more."""

    model: str
    band: str
    calls: int
    cost_microusd: int


@dataclass(frozen=True)
class Band:
    """What the models of one price band did in seven days; shares are 0 to 1, None when nothing was called."""

    name: str
    calls: int
    cost_microusd: int
    share_of_calls: float | None
    share_of_cost: float | None


@dataclass(frozen=True)
class VentureCost:
    """What one venture took today, and of all it may ever take."""

    product: Product
    today_microusd: int
    life: Purse


@dataclass(frozen=True)
class Costs:
    """Everything the page of costs shows.

    Attributes:
        hours: first instant of each of the last 24 hours, and what it cost; the last one is not over.
        kinds: this month's costs that are no model calls, by kind.
    """

    hours: tuple[tuple[datetime, int], ...]
    agents: tuple[AgentCost, ...]
    models: tuple[ModelCost, ...]
    bands: tuple[Band, ...]
    ventures: tuple[VentureCost, ...]
    kinds: tuple[tuple[str, int], ...]
    last_minutes_microusd: int

    @property
    def calls(self) -> int:
        """How many calls were paid today."""
        return sum(one.calls for one in self.models)


@dataclass(frozen=True)
class _Hour:
    """One row of the sums."""

    at: datetime
    scope_id: UUID
    kind: str
    agent: str
    item: str
    amount: int
    entries: int


def costs_now(now: datetime) -> Costs:
    """Return the costs as of business time `now`, from the sums of the last eight days and today's windows."""
    today = now.astimezone(UTC).date()
    rows = _rows(today - timedelta(days=USUAL_DAYS), today)
    of_today = [row for row in rows if row.at.date() == today]
    calls = [row for row in rows if row.kind == Entry.Kind.MODEL_CALL]
    week = [row for row in calls if row.at.date() > today - timedelta(days=USUAL_DAYS)]
    return Costs(
        hours=_hours(rows, now=now),
        agents=_agents(rows, now=now),
        models=_models(row for row in calls if row.at.date() == today),
        bands=_bands(_models(week)),
        ventures=_ventures(of_today, now=now),
        kinds=_kinds(now),
        last_minutes_microusd=Entry.objects.between(now - timedelta(minutes=5), now).total_microusd(),
    )


def _rows(first: date, last: date) -> list[_Hour]:
    found = CostHour.objects.between(first, last).values_list(
        "day", "hour", "scope_id", "kind", "agent", "item", "amount_microusd", "entries"
    )
    return [
        _Hour(
            datetime(day.year, day.month, day.day, hour, tzinfo=UTC),
            scope,
            kind,
            agent,
            item,
            amount,
            entries,
        )
        for day, hour, scope, kind, agent, item, amount, entries in found
    ]


def _hours(rows: Iterable[_Hour], *, now: datetime) -> tuple[tuple[datetime, int], ...]:
    sums: Counter[datetime] = Counter()
    for row in rows:
        sums[row.at] += row.amount
    last = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    shown = [last - timedelta(hours=back) for back in range(HOURS_SHOWN - 1, -1, -1)]
    return tuple((hour, sums[hour]) for hour in shown)


def _agents(rows: Iterable[_Hour], *, now: datetime) -> tuple[AgentCost, ...]:
    today, before, calls = now.astimezone(UTC).date(), Counter[str](), Counter[str]()
    for row in rows:
        if row.at.date() != today:
            before[row.agent] += row.amount
        elif row.kind == Entry.Kind.MODEL_CALL:
            calls[row.agent] += row.entries
    agents = list(Agent.objects.select_related("version").order_by("name"))
    purses = purses_of([agent.scope_id for agent in agents], period=Period.DAY, now=now)
    found = [
        AgentCost(agent, purses[agent.scope_id], before[agent.name] // USUAL_DAYS, calls[agent.name])
        for agent in agents
    ]
    return tuple(sorted(found, key=lambda one: (-one.purse.spent_microusd, one.agent.name)))


def purses_of(scopes: Iterable[UUID], *, period: str, now: datetime) -> dict[UUID, Purse]:
    """Return what each scope may spend in this period and did; one that was never asked has its limit alone."""
    scopes = list(scopes)
    limits = Limit.objects.filter(scope__in=scopes, period=period).values_list("scope_id", "cap_microusd")
    caps = dict(limits)
    purses = {scope: Purse(0, 0, caps.get(scope), now) for scope in scopes}
    windows = Window.objects.at(now).filter(scope__in=scopes, period=period)
    for one in windows:
        purses[one.scope_id] = Purse(
            one.spent_microusd, one.held_microusd, one.cap_microusd, one.ends_at or now
        )
    return purses  # fmt: skip


def _models(rows: Iterable[_Hour]) -> tuple[ModelCost, ...]:
    calls, costs = Counter[str](), Counter[str]()
    for row in rows:
        calls[row.item] += row.entries
        costs[row.item] += row.amount
    tiers = dict(ModelEntry.objects.filter(name__in=list(calls)).values_list("name", "tier"))
    found = [
        ModelCost(name, BAND_OF_TIER.get(tiers.get(name, ""), ""), calls[name], costs[name]) for name in calls
    ]
    return tuple(sorted(found, key=lambda one: (-one.cost_microusd, one.model)))


def _bands(models: Iterable[ModelCost]) -> tuple[Band, ...]:
    """Return the three bands; what is in no list counts in none."""
    calls, costs = Counter[str](), Counter[str]()
    for one in models:
        if one.band:
            calls[one.band] += one.calls
            costs[one.band] += one.cost_microusd
    all_calls, all_costs = sum(calls.values()), sum(costs.values())
    return tuple(
        Band(
            name=name,
            calls=calls[name],
            cost_microusd=costs[name],
            share_of_calls=calls[name] / all_calls if all_calls else None,
            share_of_cost=costs[name] / all_costs if all_costs else None,
        )
        for name in BANDS
    )


def _ventures(rows: Iterable[_Hour], *, now: datetime) -> tuple[VentureCost, ...]:
    """Return every venture that cost something today or is frozen, the nearest to its limit first."""
    today = Counter[UUID]()
    for row in rows:
        today[row.scope_id] += row.amount
    products = [
        one
        for one in Product.objects.order_by("name")
        if one.scope_id in today or one.state == Product.State.FROZEN
    ]
    lives = purses_of([one.scope_id for one in products], period=Period.LIFE, now=now)
    found = [VentureCost(one, today[one.scope_id], lives[one.scope_id]) for one in products]
    return tuple(sorted(found, key=lambda one: -_share(one.life)))


def _share(purse: Purse) -> float:
    return (purse.spent_microusd + purse.held_microusd) / purse.cap_microusd if purse.cap_microusd else 0.0


def _kinds(now: datetime) -> tuple[tuple[str, int], ...]:
    month = CostHour.objects.between(start_of_month(now).date(), now.astimezone(UTC).date())
    sums: dict[str, int] = defaultdict(int)
    others = month.exclude(kind=Entry.Kind.MODEL_CALL).values_list("kind", "amount_microusd")
    for kind, amount in others:
        sums[kind] += amount
    return tuple(sorted(sums.items(), key=lambda one: -one[1]))
