"""Where the money of the last days went: by hour, agent, model, band, venture and kind."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import Q, Sum

from agents.gateway.models import ModelEntry
from agents.roster.models import Agent
from billing.adapters.alerts import alert_table
from billing.adapters.limits import table_row
from billing.models import CostHour, Entry, Limit, Period, Scope, Switch, Window
from billing.services import PaceLines, open_switches, pace_lines, pace_microusd
from core.clock import start_of_month
from core.money import to_microusd
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
    """What the models of one price band did in seven days, and today; shares are 0 to 1, None when nothing was called.

    `today` is against the sum of its tiers' limits, which are soft: the next lower tier takes over.
    """

    name: str
    calls: int
    cost_microusd: int
    share_of_calls: float | None
    share_of_cost: float | None
    calls_today: int = 0
    today: Purse | None = None


@dataclass(frozen=True)
class TeamCost:
    """What one team took today, and who is in it."""

    name: str
    agents: tuple[str, ...]
    purse: Purse


@dataclass(frozen=True)
class Pace:
    """How fast money goes: the last five minutes of the factory and of the agent nearest to its line, and the hour's alert line.

    `hour_microusd` is what this hour may cost before it is told of; None: the hour before is no measure.
    """

    last_minutes_microusd: int
    lines: PaceLines
    nearest: str
    nearest_microusd: int
    hour_microusd: int | None


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
        hours: of models alone.
        kinds: this month's costs that are no model calls, by kind.
        off: what is switched off now, by its kind and name.
        build_from_microusd, build_to_microusd: what the build of one venture is meant to cost. Source: R-08.8.
    """

    hours: tuple[tuple[datetime, int], ...]
    agents: tuple[AgentCost, ...]
    models: tuple[ModelCost, ...]
    bands: tuple[Band, ...]
    ventures: tuple[VentureCost, ...]
    kinds: tuple[tuple[str, int], ...]
    teams: tuple[TeamCost, ...]
    pace: Pace
    off: Mapping[tuple[str, str], Switch]
    build_from_microusd: int
    build_to_microusd: int

    @property
    def calls(self) -> int:
        """How many calls were paid today."""
        return sum(one.calls for one in self.models)

    @property
    def usual_microusd(self) -> int:
        """What the usual days of all agents come to."""
        return sum(one.usual_microusd for one in self.agents)


def costs_now(now: datetime) -> Costs:
    """Return the costs as of business time `now`, from the sums of the last eight days and today's windows."""
    meant = alert_table().product_built
    staff, scopes = list(_STAFF.all()), _scopes()
    spenders = [*(one.scope_id for one in staff), *scopes.values()]
    purses = purses_of(spenders, period=Period.DAY, now=now)
    agents, hours, (models, week) = _agents(staff, purses, now=now), _hours(now), _models(now)
    return Costs(
        hours=hours,
        agents=agents,
        models=models,
        bands=_with_today(_bands(week), models, caps=_caps_of_tiers(scopes, purses), now=now),
        ventures=_ventures(now),
        kinds=_kinds(now),
        teams=_teams(agents, scopes, purses),
        pace=_pace(agents, hours, now=now),
        off={(one.kind, one.ref): one for one in open_switches()},
        build_from_microusd=to_microusd(meant.least),
        build_to_microusd=to_microusd(meant.most),
    )


_STAFF: Final = Agent.objects.select_related("version").order_by("name")
_GROUPS: Final = Scope.objects.filter(kind__in=[Scope.Kind.TEAM, Scope.Kind.TIER])


def _scopes() -> dict[tuple[str, str], UUID]:
    """Return the scope of each team and tier."""
    return {(kind, ref): pk for kind, ref, pk in _GROUPS.values_list("kind", "ref", "pk")}


def bands_of_week(now: datetime) -> tuple[Band, ...]:
    """Return what each price band did in seven days, today included."""
    return _bands(_models(now)[1])


def _caps_of_tiers(
    scopes: Mapping[tuple[str, str], UUID], purses: Mapping[UUID, Purse]
) -> dict[str, list[int]]:
    """Return what the tiers of each band may spend; a tier that was never asked has the limit of the table."""
    caps: dict[str, list[int]] = {name: [] for name in BANDS}
    for tier, cap in table_row("tier").items():
        pk = scopes.get((Scope.Kind.TIER, tier))
        own = purses[pk].cap_microusd if pk else None
        caps[BAND_OF_TIER[tier]].append(cap if own is None else own)
    return caps


def _with_today(
    bands: Iterable[Band],
    models: Iterable[ModelCost],
    *,
    caps: Mapping[str, Sequence[int]],
    now: datetime,
) -> tuple[Band, ...]:
    """Add what each band did today, and what its tiers may spend."""
    calls, costs = Counter[str](), Counter[str]()
    for one in models:
        calls[one.band] += one.calls
        costs[one.band] += one.cost_microusd
    return tuple(
        replace(
            one, calls_today=calls[one.name],
            today=Purse(costs[one.name], 0, sum(caps[one.name]) if caps[one.name] else None, now),
        )
        for one in bands
    )  # fmt: skip


def _teams(
    agents: Iterable[AgentCost], scopes: Mapping[tuple[str, str], UUID], purses: Mapping[UUID, Purse]
) -> tuple[TeamCost, ...]:
    """Return every team, the nearest to its limit first."""
    teams = {ref: pk for (kind, ref), pk in scopes.items() if kind == Scope.Kind.TEAM}
    members: dict[str, list[str]] = {name: [] for name in teams}
    for one in agents:
        members.setdefault(one.agent.definition.team, []).append(one.agent.name)
    found = [TeamCost(name, tuple(members[name]), purses[pk]) for name, pk in teams.items()]
    return tuple(sorted(found, key=lambda one: (-_share(one.purse), one.name)))


def _pace(agents: Sequence[AgentCost], hours: Sequence[tuple[datetime, int]], *, now: datetime) -> Pace:
    """The factory's minutes are those of the ledger, in business time; an agent's are those its line is measured by."""
    spent = Entry.objects.between(now - timedelta(minutes=5), now).filter(kind=Entry.Kind.MODEL_CALL)
    lines, paces = pace_lines(), pace_microusd([one.agent.scope_id for one in agents])
    nearest = max(agents, key=lambda one: paces[one.agent.scope_id], default=None)
    before = hours[-2][1]
    least = to_microusd(lines.hour.least)
    return Pace(
        last_minutes_microusd=spent.total_microusd(),
        lines=lines,
        nearest=nearest.agent.name if nearest else "",
        nearest_microusd=paces[nearest.agent.scope_id] if nearest else 0,
        hour_microusd=max(least, round(lines.hour.times * before)) if before else None,
    )


def _hours(now: datetime) -> tuple[tuple[datetime, int], ...]:
    last = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    rows = CostHour.objects.between((last - timedelta(hours=HOURS_SHOWN)).date(), last.date()).order_by()
    rows = rows.filter(kind=Entry.Kind.MODEL_CALL)
    sums = {
        datetime(day.year, day.month, day.day, hour, tzinfo=UTC): total
        for day, hour, total in rows.values_list("day", "hour").annotate(total=Sum("amount_microusd"))
    }
    shown = [last - timedelta(hours=back) for back in range(HOURS_SHOWN - 1, -1, -1)]
    return tuple((hour, sums.get(hour, 0)) for hour in shown)


def _agents(staff: Sequence[Agent], purses: Mapping[UUID, Purse], *, now: datetime) -> tuple[AgentCost, ...]:
    today = now.astimezone(UTC).date()
    called = Sum("entries", filter=Q(day=today, kind=Entry.Kind.MODEL_CALL), default=0)
    before = Sum("amount_microusd", filter=Q(day__lt=today), default=0)
    rows = CostHour.objects.between(today - timedelta(days=USUAL_DAYS), today).order_by()
    sums = {name: more for name, *more in rows.values_list("agent").annotate(called=called, before=before)}
    found = [
        AgentCost(one, purses[one.scope_id], usual_microusd=usual // USUAL_DAYS, calls=calls)
        for one in staff
        for calls, usual in [sums.get(one.name, (0, 0))]
    ]
    return tuple(sorted(found, key=lambda one: (-one.purse.spent_microusd, one.agent.name)))


_LIMITS: Final = Limit.objects.values_list("scope_id", "cap_microusd")


def purses_of(scopes: Iterable[UUID], *, period: str, now: datetime) -> dict[UUID, Purse]:
    """Return what each scope may spend in this period and did; one that was never asked has its limit alone."""
    scopes = list(scopes)
    caps = dict(_LIMITS.filter(scope__in=scopes, period=period))
    purses = {scope: Purse(0, 0, caps.get(scope), now) for scope in scopes}
    windows = Window.objects.at(now).filter(scope__in=scopes, period=period)
    columns = ("scope_id", "spent_microusd", "held_microusd", "cap_microusd", "ends_at")
    for scope, spent, held, cap, ends_at in windows.values_list(*columns):
        purses[scope] = Purse(spent, held, cap, ends_at or now)
    return purses


_TIERS: Final = ModelEntry.objects.values_list("name", "tier")


def _models(now: datetime) -> tuple[tuple[ModelCost, ...], tuple[ModelCost, ...]]:
    """Return what each model did today, and in seven days, today included; the dearest first."""
    today = now.astimezone(UTC).date()
    hours = CostHour.objects.between(today - timedelta(days=USUAL_DAYS - 1), today)
    rows = hours.filter(kind=Entry.Kind.MODEL_CALL).order_by().values_list("item")
    only = Q(day=today)
    sums = list(
        rows.annotate(
            calls=Sum("entries"),
            cost=Sum("amount_microusd"),
            calls_today=Sum("entries", filter=only, default=0),
            cost_today=Sum("amount_microusd", filter=only, default=0),
        )
    )
    tiers = dict(_TIERS.filter(name__in=[row[0] for row in sums]))
    bands = {row[0]: BAND_OF_TIER.get(tiers.get(row[0], ""), "") for row in sums}
    of_today = [ModelCost(name, bands[name], n, cost) for name, _, _, n, cost in sums if n or cost]
    of_week = [ModelCost(name, bands[name], n, cost) for name, n, cost, _, _ in sums]
    return _dearest_first(of_today), _dearest_first(of_week)


def _dearest_first(models: Iterable[ModelCost]) -> tuple[ModelCost, ...]:
    return tuple(sorted(models, key=lambda one: (-one.cost_microusd, one.model)))


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


def _ventures(now: datetime) -> tuple[VentureCost, ...]:
    """Return every venture that cost something today or is frozen, the nearest to its limit first."""
    day = now.astimezone(UTC).date()
    sums = CostHour.objects.between(day, day).order_by().values_list("scope_id")
    today = Counter(dict(sums.annotate(total=Sum("amount_microusd"))))
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
    others = month.exclude(kind=Entry.Kind.MODEL_CALL).order_by().values_list("kind")
    sums = dict(others.annotate(total=Sum("amount_microusd")))
    return tuple(sorted(sums.items(), key=lambda one: -one[1]))
