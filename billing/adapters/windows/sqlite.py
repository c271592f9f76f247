"""The rows of money in SQLite: one step after the other, while the transaction that began at once keeps others out."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connections, transaction

from billing.ports import Bill, Settled, Verdict, Wish
from billing.rules import ALWAYS, RING, SLOT_S, period_bounds

PAYER_RANK: Final = (
    "case s.kind when 'product' then 1 when 'dag' then 2 when 'task' then 3 when 'factory' then 4 else 9 end"
)
"""Whose cost it is, first match: an entry stands in one scope, so that sums add up."""

GROUND: Final = "select clock_offset_ms, stopped_at is not null, mode from core_installation"
FIRST: Final = "select 1 from billing_hold where call_id = ?"
PAYERS: Final = f"""
with payer(id) as (
  select value from json_each(:scopes)
  union select s.parent_id from json_each(:scopes) a join billing_scope s on s.id = a.value where s.parent_id is not null
  union select id from billing_scope where kind = 'factory' and ref = 'factory'
  union select id from billing_scope where kind = 'tier' and ref = :tier)
select s.id, s.kind, s.ref, {PAYER_RANK} as rank, l.period, l.cap_microusd, w.id as window,
  w.cap_microusd - w.spent_microusd - w.held_microusd, w.held_microusd
from payer p join billing_scope s on s.id = p.id
left join billing_limit l on l.scope_id = s.id
left join billing_window w on w.scope_id = s.id and w.period = l.period
  and w.starts_at = case l.period when 'day' then :day when 'month' then :month else :always end
"""
SHUT: Final = """
select kind, ref from billing_switch where cleared_at is null and (until is null or until > ?)
"""
TAKE: Final = """
update billing_window set held_microusd = held_microusd + :bound
where id in (select value from json_each(:ids)) and :n = (
  select count(*) from billing_window w where w.id in (select value from json_each(:ids))
    and w.cap_microusd >= w.spent_microusd + w.held_microusd + :bound)
"""
PLACE: Final = """
insert into billing_hold (call_id, bound_microusd, state, owner, correlation_id, payer_id, agent, provider, model, expires_at, placed_at, windows)
values (?, ?, 'held', ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

CLAIM: Final = f"""
update billing_hold set state = ?, settled_at = ? where call_id = ? and state = 'held'
returning windows, bound_microusd, agent, correlation_id, coalesce(payer_id, (
  select s.id from json_each(windows) p join billing_window w on w.id = p.value join billing_scope s on s.id = w.scope_id
  order by {PAYER_RANK} limit 1))
"""
SPENDERS: Final = """
select distinct s.id, s.kind, s.ref from json_each(?) p join billing_window w on w.id = p.value
join billing_scope s on s.id = w.scope_id where s.kind in ('agent', 'factory')
"""
MOVE: Final = """
update billing_window set held_microusd = held_microusd - ?, spent_microusd = spent_microusd + ?
where id in (select value from json_each(?))
"""
BOOK: Final = """
insert into billing_entry (id, scope_id, kind, ref, amount_microusd, is_lost, at, call_id, agent, correlation_id, mode, facts)
values (?, ?, 'model_call', ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
EXCEED: Final = """
insert into billing_overage (id, call_id, scope_id, bound_microusd, excess_microusd, at, facts) values (?, ?, ?, ?, ?, ?, ?)
"""
_SUM: Final = """
update billing_costhour set amount_microusd = amount_microusd + :cost, entries = entries + 1
where day = :day and hour = :hour and scope_id = :payer and kind = 'model_call' and agent = :agent and item = :item
"""
SUM_OF_STORY: Final = f"{_SUM} and correlation_id = :story"
SUM_WITHOUT_STORY: Final = f"{_SUM} and correlation_id is null"
FIRST_OF_HOUR: Final = """
insert into billing_costhour (day, hour, scope_id, kind, agent, item, correlation_id, amount_microusd, entries)
values (:day, :hour, :payer, 'model_call', :agent, :item, :story, :cost, 1)
"""
SPEED: Final = "update billing_pace set amount_microusd = amount_microusd + ? where scope_id = ? and slot = ?"
FIRST_OF_SLOT: Final = "insert into billing_pace (amount_microusd, scope_id, slot) values (?, ?, ?)"
SPED: Final = "select sum(amount_microusd) from billing_pace where scope_id = ? and slot between ? and ?"
"""Most of what is booked adds to a sum that is there; the transaction keeps others from making it meanwhile."""

_ALWAYS: Final = str(ALWAYS.replace(tzinfo=None))


class _Row(NamedTuple):
    scope: str
    kind: str
    ref: str
    rank: int
    period: str | None
    cap: int | None
    window: str | None
    left: int | None
    held: int | None


class _Hold(NamedTuple):
    windows: str
    bound: int
    agent: str
    story: str | None
    payer: str


_RANK: Final = attrgetter("rank")


class SqliteWindows:
    """One writer at a time, so every step sees what the one before it wrote."""

    def place(self, wish: Wish) -> Verdict:
        """Hold the bound in every window that counts, or in none."""
        with _begun() as raw:
            return _place(raw, wish)

    def lock(self) -> None:
        """Let nobody else move money: the caller's transaction began so."""

    def holding(self) -> AbstractContextManager[None]:
        """Return a transaction whose end waits for the disk."""
        return transaction.atomic(durable=True)

    @contextmanager
    def settling(self) -> Iterator[None]:
        """Return a transaction whose end does not wait for the disk; the next hold's does, for both."""
        wrapper = connections[DEFAULT_DB_ALIAS]
        if wrapper.in_atomic_block:
            yield
            return
        wrapper.ensure_connection()
        wrapper.connection.execute("pragma synchronous = normal")
        try:
            with transaction.atomic():
                yield
        finally:
            wrapper.connection.execute("pragma synchronous = full")

    def settle(self, bill: Bill) -> Settled | None:
        """Move the hold from held to what the bill says and book it; None: it is not held any more, or never was."""
        with _begun() as raw:
            return _settle(raw, bill)

    def settle_alone(self, bill: Bill) -> Settled | None:
        """Leave it to the caller's transaction: in a file there is no way to and fro to be saved."""
        return None


def _place(raw: sqlite3.Connection, wish: Wish) -> Verdict:
    ahead_ms, is_stopped, _ = _ground(raw)
    if _one(raw, FIRST, (wish.call_id.hex,)):
        return Verdict.REPEATED
    rows = [_Row(*row) for row in raw.execute(PAYERS, _place_of(wish, ahead_ms))]
    verdict = _verdict(raw, wish, rows, is_stopped=is_stopped)
    if verdict is not None:
        return verdict
    windows = [row.window for row in rows if row.window]
    named = json.dumps(windows)
    taken = {"ids": named, "n": len(windows), "bound": wish.bound_microusd}
    if raw.execute(TAKE, taken).rowcount != len(windows):
        return Verdict.SHORT
    payer = min((row for row in rows if row.window), key=_RANK).scope
    agent = next((row.ref for row in rows if row.kind == "agent"), "")
    raw.execute(PLACE, _hold_of(wish, payer=payer, agent=agent, windows=named))
    return Verdict.HELD


def _settle(raw: sqlite3.Connection, bill: Bill) -> Settled | None:
    row = _one(raw, CLAIM, (bill.state, _moment(bill.now), bill.call_id.hex))
    if not row:
        return None
    hold = _Hold(*row)
    cost = _cost(bill, hold.bound)
    raw.execute(MOVE, (hold.bound, cost, hold.windows))
    if bill.state != "released":
        _book(raw, bill, hold, cost=cost)
    return Settled(hold.bound, cost, pace=_paces(raw, hold.windows, bill=bill, cost=cost))


def _verdict(
    raw: sqlite3.Connection, wish: Wish, rows: Sequence[_Row], *, is_stopped: bool
) -> Verdict | None:
    """Return why this wish is refused; None: only its windows can say."""
    known = {row.scope for row in rows}
    if any(scope.hex not in known for scope in wish.scopes):
        return Verdict.UNKNOWN
    named = {(row.kind, row.ref) for row in rows}
    shut = {(kind, ref) for kind, ref in raw.execute(SHUT, (_moment(wish.now),))}
    wires = {("provider", wish.provider), ("model", f"{wish.provider}/{wish.model}")}
    if is_stopped or shut & (named | wires):
        return Verdict.SHUT
    if any(row.period == "call" and wish.bound_microusd > (row.cap or 0) for row in rows):
        return Verdict.ABOVE_CALL
    if ("factory", "factory") not in named or (wish.tier and ("tier", wish.tier) not in named):
        return Verdict.UNOPENED
    if any(row.period not in {None, "call"} and row.window is None for row in rows):
        return Verdict.UNOPENED
    if not any(row.kind == "factory" and row.period == "day" for row in rows):
        return Verdict.UNREADABLE
    if any(row.held and ("throttle", row.ref) in shut for row in rows if row.kind in {"factory", "agent"}):
        return Verdict.NARROW
    return None


def _place_of(wish: Wish, ahead_ms: int) -> dict[str, Any]:
    moment = wish.now.astimezone(UTC) + timedelta(milliseconds=ahead_ms)
    return {
        "scopes": json.dumps([scope.hex for scope in wish.scopes]),
        "tier": wish.tier,
        "day": _moment(period_bounds("day", moment)[0]),
        "month": _moment(period_bounds("month", moment)[0]),
        "always": _ALWAYS,
    }


def _hold_of(wish: Wish, *, payer: str, agent: str, windows: str) -> tuple[Any, ...]:
    return (
        wish.call_id.hex, wish.bound_microusd, wish.owner, _hex(wish.correlation_id), payer, agent,
        wish.provider, wish.model, _moment(wish.expires_at), _moment(wish.now), windows,
    )  # fmt: skip


def _cost(bill: Bill, bound: int) -> int:
    if bill.state == "released":
        return 0
    return bound if bill.cost_microusd is None else min(max(0, bill.cost_microusd), bound)


def _book(raw: sqlite3.Connection, bill: Bill, hold: _Hold, *, cost: int) -> None:
    ahead_ms, _, mode = _ground(raw)
    moment = bill.now.astimezone(UTC) + timedelta(milliseconds=ahead_ms)
    at, agent, story = _moment(moment), bill.agent or hold.agent, _hex(bill.correlation_id) or hold.story
    facts, is_lost = json.dumps(dict(bill.facts)), bill.cost_microusd is None
    raw.execute(BOOK, (
        bill.entry_id.hex, hold.payer, f"call:{bill.call_id}", cost, is_lost, at, bill.call_id.hex, agent, story, mode, facts,
    ))  # fmt: skip
    item = str(bill.facts.get("asked", ""))[:80]
    hour = {
        "day": at[:10], "hour": moment.hour, "payer": hold.payer, "agent": agent, "item": item, "story": story, "cost": cost,
    }  # fmt: skip
    if not raw.execute(SUM_OF_STORY if story else SUM_WITHOUT_STORY, hour).rowcount:
        raw.execute(FIRST_OF_HOUR, hour)
    excess = (bill.cost_microusd or 0) - hold.bound
    if excess > 0:
        row = (bill.entry_id.hex, bill.call_id.hex, hold.payer, hold.bound, excess, at, facts)
        raw.execute(EXCEED, row)


def _paces(raw: sqlite3.Connection, windows: str, *, bill: Bill, cost: int) -> dict[tuple[str, str], int]:
    """Add `cost` to the ring of the hold's agents and of the factory, and return what stands there."""
    if not cost:
        return {}
    slot, paces = int(bill.now.timestamp()) // SLOT_S, {}
    for scope, kind, ref in raw.execute(SPENDERS, (windows,)).fetchall():
        added = (cost, scope, slot)
        if not raw.execute(SPEED, added).rowcount:
            raw.execute(FIRST_OF_SLOT, added)
        paces[kind, ref] = _one(raw, SPED, (scope, slot - RING, slot))[0]
    return paces


def _ground(raw: sqlite3.Connection) -> tuple[int, bool, str]:
    return _one(raw, GROUND, ()) or (0, False, "rehearsal")


def _hex(value: UUID | None) -> str | None:
    return value.hex if value else None


def _moment(moment: datetime) -> str:
    """Return a moment as Django writes it here, so that texts compare as its own do."""
    return str(moment.astimezone(UTC).replace(tzinfo=None))


@contextmanager
def _begun() -> Iterator[sqlite3.Connection]:
    """Give the driver's own connection, inside a transaction that keeps other writers out.

    Inside one that is open already, what fails half done lets nothing of it be kept.
    """
    wrapper = connections[DEFAULT_DB_ALIAS]
    if not wrapper.in_atomic_block:
        with transaction.atomic(), wrapper.wrap_database_errors:
            yield wrapper.connection
        return
    try:
        with wrapper.wrap_database_errors:
            yield wrapper.connection
    except BaseException:
        wrapper.needs_rollback = True
        raise


def _one(raw: sqlite3.Connection, statement: str, facts: Sequence[Any]) -> Any:
    return raw.execute(statement, facts).fetchone()
