"""The ledger: costs of ninety days with the sums of their hours, windows that agree with them, and the last days' calls."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from agents.gateway.models import Call, ModelEntry
from billing.adapters.limits import table_row
from billing.models import CostHour, Entry, Limit, Period, Window
from billing.rules import period_bounds
from core.models import Mode
from factory.console.management.sample.bulk import insert_rows, insert_values
from factory.console.management.sample.ground import DAYS, STAFF, Ground
from factory.console.management.sample.work import Pile
from factory.work.models import Task
from portfolio.models import Product

CALLS_KEPT: Final = timedelta(days=3)
PAIRS_AN_HOUR: Final = 8
COLUMNS: Final = (
    "id",
    "scope_id",
    "kind",
    "ref",
    "amount_microusd",
    "is_lost",
    "at",
    "call_id",
    "agent",
    "correlation_id",
    "mode",
    "facts",
)
COSTS: Final = {"frontier": 9_000, "premium": 6_000, "mid": 1_400, "budget": 400, "local": 0}
"""Mean cost of a call in micro-dollars, by tier."""
MTOK: Final = 1_000_000
LOST_ONE_IN: Final = 2_000
STANDING: Final = ((Entry.Kind.HOSTING, 64_000), (Entry.Kind.MAIL, 9_500), (Entry.Kind.DOMAIN, 33_000))


@dataclass(frozen=True)
class Payer:
    """Who works for whom with which model during an hour."""

    agent: str
    product: Product | None
    model: ModelEntry


@dataclass
class Books:
    """Sums that grow while entries are written."""

    hours: Counter[tuple[datetime, Payer]] = field(default_factory=Counter)
    counts: Counter[tuple[datetime, Payer]] = field(default_factory=Counter)
    calls: list[Call] = field(default_factory=list)


def invent_books(ground: Ground, pile: Pile, *, count: int) -> None:
    """Write `count` entries whose hours, windows and calls all tell the same sums."""
    books = Books()
    values = _entries(ground, pile, books, count=max(0, count - len(STANDING) * DAYS))
    insert_values(Entry, columns=COLUMNS, values=values)
    insert_rows(books.calls)
    hours = [_hour(ground, key, books) for key in books.hours]
    standing = _standing(ground)
    insert_rows(standing)
    insert_rows(hours + [_hour_of(entry) for entry in standing])
    windows = _windows(ground, hours)
    insert_rows(windows + _windows_of_tasks(ground, pile, windows))


def _entries(ground: Ground, pile: Pile, books: Books, *, count: int) -> Iterator[tuple[Any, ...]]:
    """Yield the calls' entries in the database's own form, hour by hour."""
    attempts = _attempts_of(pile)
    first = (ground.now - timedelta(days=DAYS)).replace(minute=0, second=0, microsecond=0)
    hours = int((ground.now - first) / timedelta(hours=1)) + 1
    for index in range(hours):
        hour = first + timedelta(hours=index)
        last_s = 3600 if index < hours - 1 else max(1, int((ground.now - hour).total_seconds()))
        here = count * (index + 1) // hours - count * index // hours
        pairs = [_pair(ground) for _ in range(PAIRS_AN_HOUR)]
        yield from _entries_of_hour(
            ground, books, hour, pairs=pairs, here=here, last_s=last_s, attempts=attempts
        )


def _attempts_of(pile: Pile) -> dict[tuple[str, str], list[UUID]]:
    """Return the newest attempts of each agent for each story."""
    found: dict[tuple[str, str], list[UUID]] = defaultdict(list)
    for attempt in pile.attempts[-4000:]:
        if attempt.agent:
            found[attempt.agent.name, str(attempt.task.dag.correlation_id)].append(attempt.pk)
    return found


def _pair(ground: Ground) -> Payer:
    agent = ground.dice.choice(STAFF)
    tier = {"best": ("frontier", "premium"), "good": ("premium", "mid"), "acceptable": ("mid",)}[
        ground.agents[agent].definition.quality
    ]
    models = [one for one in ground.models.values() if one.tier in tier] or list(ground.models.values())
    product = None if agent in {"Kev", "Scout"} else ground.dice.choice(ground.products)
    return Payer(agent, product, ground.dice.choice([*models, ground.models["gpt-5-mini"]]))


def _entries_of_hour(  # noqa: PLR0913 (the hot loop: everything it reads is at hand)
    ground: Ground,
    books: Books,
    hour: datetime,
    *,
    pairs: list[Payer],
    here: int,
    last_s: int,
    attempts: dict[tuple[str, str], list[UUID]],
) -> Iterator[tuple[Any, ...]]:
    factory, start_ms, day = ground.factory.pk.hex, int(hour.timestamp()) * 1000, f"{hour:%Y-%m-%d %H}"
    columns = [_columns_of(pair, factory) for pair in pairs]
    is_kept = ground.now - hour < CALLS_KEPT
    for number in range(here):
        ground.born += 1
        second, pair = number * last_s / here, pairs[number % PAIRS_AN_HOUR]
        scope, story, facts, mean = columns[number % PAIRS_AN_HOUR]
        micro = int(second * 1_000_000) % 1_000_000 or 1
        born = f"{start_ms + int(second * 1000):012x}7{ground.born & 0xFFF:03x}"
        call, cost = f"{born}b{ground.born:015x}", 1 + int(mean * ground.dice.random() * 2)
        books.hours[hour, pair] += cost
        books.counts[hour, pair] += 1
        if is_kept:
            at = hour + timedelta(seconds=second)
            books.calls.append(_call(ground, UUID(call), pair, cost=cost, at=at, attempts=attempts))
        yield (
            f"{born}a{ground.born:015x}", scope, "model_call", f"call:{UUID(call)}", cost, ground.born % LOST_ONE_IN == 0,
            f"{day}:{int(second) // 60:02d}:{int(second) % 60:02d}.{micro:06d}", call, pair.agent, story, "rehearsal", facts,
        )  # fmt: skip


def _columns_of(pair: Payer, factory: str) -> tuple[str, str | None, str, int]:
    facts = f'{{"provider": "{pair.model.provider_id}", "model": "{pair.model.name}", "asked": "{pair.model.name}"}}'
    mean = COSTS[pair.model.tier]
    if pair.product is None:
        return factory, None, facts, mean
    return pair.product.scope_id.hex, pair.product.correlation_id.hex, facts, mean


def _call(
    ground: Ground,
    call_id: UUID,
    pair: Payer,
    *,
    cost: int,
    at: datetime,
    attempts: dict[tuple[str, str], list[UUID]],
) -> Call:
    story = pair.product.correlation_id if pair.product else None
    known = attempts.get((pair.agent, str(story)))
    tariff = ground.tariffs[pair.model.pk]
    written = cost * 600_000 // max(1, tariff.output)
    read = (cost * MTOK - written * tariff.output) // max(1, tariff.input)
    began = ground.machine(at) - timedelta(seconds=ground.dice.randint(2, 70))
    is_lost = ground.born % LOST_ONE_IN == 0
    return Call(
        id=call_id, agent=pair.agent, assignment_id=ground.dice.choice(known) if known else ground.new_id(at), correlation_id=story,
        model=pair.model, served_model=pair.model.name, tier=pair.model.tier, task_type="code", reason="the cheapest of its tier",
        status=Call.Status.LOST if is_lost else Call.Status.ANSWERED, fault="timeout" if is_lost else "", bound_microusd=cost * 2,
        cost_microusd=cost, prompt_tokens=None if is_lost else read, completion_tokens=None if is_lost else written,
        cached_tokens=None if is_lost else 0, stop="end", prompt_sha256="0" * 64, mode=Mode.REHEARSAL, started_at=began,
        ended_at=ground.machine(at),
    )  # fmt: skip


def _hour(ground: Ground, key: tuple[datetime, Payer], books: Books) -> CostHour:
    hour, pair = key
    return CostHour(
        day=hour.date(), hour=hour.hour, scope=pair.product.scope if pair.product else ground.factory, kind=Entry.Kind.MODEL_CALL,
        agent=pair.agent, item=pair.model.name, correlation_id=pair.product.correlation_id if pair.product else None,
        amount_microusd=books.hours[key], entries=books.counts[key],
    )  # fmt: skip


def _standing(ground: Ground) -> list[Entry]:
    """Return what is due each day whoever works."""
    scope = ground.factory
    return [
        Entry(
            id=ground.new_id(at := ground.ago(days=day)), scope=scope, kind=kind, ref=f"{kind}:{at.date()}", amount_microusd=amount,
            at=at, mode=Mode.REHEARSAL,
        )
        for day in range(DAYS, 0, -1)
        for kind, amount in STANDING
    ]  # fmt: skip


def _hour_of(entry: Entry) -> CostHour:
    return CostHour(
        day=entry.at.date(),
        hour=entry.at.hour,
        scope=entry.scope,
        kind=entry.kind,
        amount_microusd=entry.amount_microusd,
        entries=1,
    )


def _windows(ground: Ground, hours: list[CostHour]) -> list[Window]:
    """Return the windows of all that was spent on models: days and months of the factory, today's of agents, lives of products."""
    spent: Counter[tuple[UUID, str, datetime]] = Counter()
    factory = ground.factory.pk
    today = ground.now.date()
    for one in hours:
        moment = datetime(one.day.year, one.day.month, one.day.day, tzinfo=UTC)
        for period in (Period.DAY, Period.MONTH):
            spent[factory, period, period_bounds(period, moment)[0]] += one.amount_microusd
        if one.day == today:
            spent[ground.agents[one.agent].scope_id, Period.DAY, moment] += one.amount_microusd
        if one.scope_id != factory:
            spent[one.scope_id, Period.LIFE, period_bounds(Period.LIFE, moment)[0]] += one.amount_microusd
    caps = {
        (scope, period): cap
        for scope, period, cap in Limit.objects.values_list("scope_id", "period", "cap_microusd")
    }
    Window.objects.all().delete()
    return [
        Window(
            id=ground.new_id(ground.now), scope_id=scope, period=period, starts_at=starts_at, ends_at=period_bounds(period, starts_at)[1],
            cap_microusd=caps.get((scope, period), 0), amount_microusd=max(amount, caps.get((scope, period), 0)), spent_microusd=amount,
        )
        for (scope, period, starts_at), amount in spent.items()
    ]  # fmt: skip


def _windows_of_tasks(ground: Ground, pile: Pile, windows: list[Window]) -> list[Window]:
    """Return what each finished task took: equal parts of nine tenths of what its product cost in all."""
    lives = {one.scope_id: one.spent_microusd for one in windows if one.period == Period.LIFE}
    done = [task for task in pile.tasks if task.state == Task.State.COMPLETED]
    counts = Counter(task.dag.payer_id for task in done)
    starts_at, ends_at = period_bounds(Period.LIFE, ground.now)
    cap = table_row("task")["life"]
    return [
        Window(
            id=ground.new_id(ground.now), scope=task.scope, period=Period.LIFE, starts_at=starts_at, ends_at=ends_at,
            cap_microusd=cap, amount_microusd=max(cap, part), spent_microusd=part,
        )
        for task in done
        for part in [lives.get(task.dag.payer_id, 0) * 9 // 10 // counts[task.dag.payer_id]]
    ]  # fmt: skip
