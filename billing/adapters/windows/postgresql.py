"""The rows of money in PostgreSQL: wait for who moves money now, then decide on what the rows hold; both travel together."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from psycopg.types.json import Jsonb

from billing.adapters.windows.words import (
    ADD_TO_PACE,
    ADD_TO_STORY,
    ADD_WITHOUT_STORY,
    ENTRY,
    HOLD,
    HOUR,
    OVERAGE,
    PACE,
    PAYER_RANK,
    RING,
    SLOT_S,
)
from billing.ports import Bill, Settled, Verdict, Wish

_ONE_BY_ONE: Final = int.from_bytes(b"money")
LOCK: Final = f"select pg_advisory_xact_lock({_ONE_BY_ONE})"
LOCK_AND_RELAX: Final = (
    f"select pg_advisory_xact_lock({_ONE_BY_ONE}), set_config('synchronous_commit', 'off', true)"
)
"""Who moves money waits for whoever moves it now; the second one's transaction does not wait for the disk at its end."""
FLUSH: Final = "select pg_logical_emit_message(true, 'hold', '')"
"""A transaction of one word: at its end everything committed before it is on the disk."""
FLUSH_HOLD: Final = f"{FLUSH} from billing_hold where call_id = %(call)s::uuid"
"""The same, unless nothing was held."""

GROUND: Final = """
ground as materialized (
  select coalesce(max(clock_offset_ms), 0) * interval '1 ms' as ahead, coalesce(bool_or(stopped_at is not null), false) as is_stopped,
    coalesce(max(mode), 'rehearsal') as mode
  from core_installation
)"""
PLACE: Final = f"""
with {GROUND}, start as materialized (
  select date_trunc('day', %(now)s::timestamptz + ahead, 'UTC') as day, date_trunc('month', %(now)s::timestamptz + ahead, 'UTC') as month,
    'epoch'::timestamptz as always from ground
), asked as materialized (
  select s.id, s.kind, s.ref, s.parent_id from unnest(%(scopes)s::uuid[]) a(id) join billing_scope s on s.id = a.id
), payer as materialized (
  select id, kind, ref from asked
  union select s.id, s.kind, s.ref from asked a join billing_scope s on s.id = a.parent_id
  union select id, kind, ref from billing_scope where kind = 'factory' and ref = 'factory'
  union select id, kind, ref from billing_scope where kind = 'tier' and ref = %(tier)s::text
), here as materialized (
  select s.id, s.kind, s.ref, coalesce({PAYER_RANK}, 9) as rank, l.period, l.cap_microusd as cap, w.id as window_id,
    w.cap_microusd - w.spent_microusd - w.held_microusd as free, w.held_microusd as held
  from payer s cross join start t left join billing_limit l on l.scope_id = s.id
  left join billing_window w on w.scope_id = l.scope_id and w.period = l.period
    and w.starts_at = case l.period when 'day' then t.day when 'month' then t.month else t.always end
), shut as materialized (
  select kind, ref from billing_switch where cleared_at is null and (until is null or until > %(now)s::timestamptz)
), seen as materialized (
  select bool_or(period = 'call' and cap < %(bound)s::bigint) as is_above_call, bool_or(kind = 'factory' and ref = 'factory') as has_factory,
    bool_or(kind = 'tier') as has_tier, bool_or(period <> 'call' and window_id is null) as is_unopened,
    bool_or(kind = 'factory' and period = 'day') as has_day, bool_or(free < %(bound)s::bigint) as is_short,
    (array_agg(id order by rank) filter (where window_id is not null))[1] as payer_id, coalesce(max(ref) filter (where kind = 'agent'), '') as agent,
    array_agg(window_id) filter (where window_id is not null) as windows
  from here
), decided as materialized (
  select case
    when exists (select 1 from billing_hold h where h.call_id = %(call)s::uuid) then 'repeated'
    when (select count(*) from asked) < cardinality(%(scopes)s::uuid[]) then 'unknown'
    when (select is_stopped from ground) or exists (
      select 1 from shut x where (x.kind, x.ref) in (('provider', %(provider)s::text), ('model', %(wire)s::text))
        or exists (select 1 from here h where h.kind = x.kind and h.ref = x.ref)) then 'shut'
    when is_above_call then 'above_call'
    when has_factory is not true or (%(tier)s::text <> '' and has_tier is not true) or is_unopened then 'unopened'
    when has_day is not true then 'unreadable'
    when exists (select 1 from shut x join here h on h.ref = x.ref
      where x.kind = 'throttle' and h.kind in ('factory', 'agent') and h.held > 0) then 'narrow'
    when is_short then 'short'
    else 'held' end as verdict, payer_id, agent, windows
  from seen
), hold as (
  insert into {HOLD}
  select %(hold)s::uuid, %(call)s::uuid, %(bound)s::bigint, 'held', %(owner)s::text, %(story)s::uuid, payer_id, agent, %(provider)s::text, %(model)s::text,
    %(expires_at)s::timestamptz, %(now)s::timestamptz, to_jsonb(windows)
  from decided where verdict = 'held'
), taken as (
  update billing_window w set held_microusd = w.held_microusd + %(bound)s::bigint from decided d where d.verdict = 'held' and w.id = any(d.windows)
)
select verdict from decided
"""

SETTLE: Final = f"""
with {GROUND}, claimed as (
  update billing_hold h set state = %(state)s::text, settled_at = %(now)s::timestamptz where h.call_id = %(call)s::uuid and h.state = %(held)s::text
    and (%(is_within)s::bool is false or coalesce(%(cost)s::bigint, 0) <= h.bound_microusd)
  returning h.bound_microusd, h.agent, h.correlation_id, h.payer_id,
    (select array_agg(one::uuid) from jsonb_array_elements_text(h.windows) as one) as windows
), bill as materialized (
  select c.bound_microusd as bound, c.windows, g.mode, %(now)s::timestamptz + g.ahead as at,
    case when %(state)s::text = 'released' then 0 else least(coalesce(%(cost)s::bigint, c.bound_microusd), c.bound_microusd) end as cost,
    case when %(agent)s::text = '' then c.agent else %(agent)s::text end as agent, coalesce(%(story)s::uuid, c.correlation_id) as story,
    coalesce(c.payer_id, (
      select s.id from billing_window w join billing_scope s on s.id = w.scope_id where w.id = any(c.windows)
      order by coalesce({PAYER_RANK}, 9) limit 1)) as payer_id
  from claimed c cross join ground g
), moved as (
  update billing_window w set held_microusd = w.held_microusd - b.bound, spent_microusd = w.spent_microusd + b.cost
  from bill b where w.id = any(b.windows)
), booked as materialized (
  select b.*, (b.at at time zone 'UTC')::date as day, extract(hour from b.at at time zone 'UTC')::smallint as hour
  from bill b where %(state)s::text <> 'released'
), entry as (
  insert into {ENTRY}
  select %(entry)s::uuid, payer_id, 'model_call', %(ref)s::text, cost, %(is_lost)s::bool, at, %(call)s::uuid, agent, story, mode, %(facts)s from booked
), hour_of_story as (
  insert into {HOUR}
  select day, hour, payer_id, 'model_call', agent, %(item)s::text, story, cost, 1 from booked where story is not null {ADD_TO_STORY}
), hour_without_story as (
  insert into {HOUR}
  select day, hour, payer_id, 'model_call', agent, %(item)s::text, null, cost, 1 from booked where story is null {ADD_WITHOUT_STORY}
), excess as (
  insert into {OVERAGE}
  select %(entry)s::uuid, %(call)s::uuid, payer_id, bound, %(cost)s::bigint - bound, at, %(facts)s from booked where %(cost)s::bigint > bound
), spender as materialized (
  select distinct s.id, s.kind, s.ref, b.cost from bill b join billing_window w on w.id = any(b.windows)
  join billing_scope s on s.id = w.scope_id where s.kind in ('agent', 'factory') and b.cost > 0
), pace as (
  insert into {PACE} select id, %(slot)s::bigint, cost from spender {ADD_TO_PACE} returning scope_id, amount_microusd
)
select b.bound, b.cost, (
  select json_agg(json_build_array(s.kind, s.ref, n.amount_microusd + coalesce((
      select sum(o.amount_microusd) from billing_pace o
      where o.scope_id = s.id and o.slot >= %(slot)s::bigint - {RING} and o.slot < %(slot)s::bigint), 0)))
  from pace n join spender s on s.id = n.scope_id)
from bill b
"""


_may_wait: ContextVar[bool] = ContextVar("may_wait", default=True)
"""Whether the end of the running transaction waits for the disk."""


class PostgresWindows:
    """One moves money at a time, until his transaction ends: nobody waits in a circle, and who waited sees what the other wrote.

    A hold of its own transaction lets the next one in before it is on the disk, and returns when it is: many wait for one
    write. Who came in meanwhile found less room than there is if the power goes, never more.
    """

    def place(self, wish: Wish) -> Verdict:
        """Hold the bound in every window that counts, or in none."""
        facts = {
            "hold": wish.hold_id, "call": wish.call_id, "scopes": list(wish.scopes), "bound": wish.bound_microusd,
            "owner": wish.owner, "story": wish.correlation_id, "now": wish.now, "expires_at": wish.expires_at,
            "provider": wish.provider, "model": wish.model, "wire": f"{wish.provider}/{wish.model}", "tier": wish.tier,
        }  # fmt: skip
        with _connected() as raw, psycopg.Cursor(raw) as cursor, psycopg.Cursor(raw) as flush:
            with raw.pipeline() as pipeline:
                is_alone = raw.autocommit
                cursor.execute(LOCK_AND_RELAX if is_alone or not _may_wait.get() else LOCK, prepare=True)
                cursor.execute(PLACE, facts, prepare=True)
                if is_alone:
                    pipeline.sync()
                    flush.execute(FLUSH_HOLD, {"call": wish.call_id}, prepare=True)
            return Verdict(cursor.fetchall()[0][0])

    def lock(self) -> None:
        """Let nobody else move money until the caller's transaction ends."""
        with _connected() as raw:
            raw.execute(LOCK, prepare=True)

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Return a transaction that lets the next one in before it is on the disk, and ends when it is."""
        with _relaxed(), transaction.atomic(durable=True):
            yield
        with _connected() as raw, psycopg.Cursor(raw) as cursor:
            cursor.execute(FLUSH, prepare=True)

    @contextmanager
    def settling(self) -> Iterator[None]:
        """Return a transaction whose end does not wait for the disk."""
        if connections[DEFAULT_DB_ALIAS].in_atomic_block:
            yield
            return
        with _relaxed(), transaction.atomic():
            yield

    def settle(self, bill: Bill) -> Settled | None:
        """Move the hold from held to what the bill says and book it; None: it is not held any more, or never was."""
        return _settle(bill, lock=LOCK if _may_wait.get() else LOCK_AND_RELAX)

    def settle_alone(self, bill: Bill) -> Settled | None:
        """Settle on one way to the server and back; None: it costs more than was held, or stands in a transaction."""
        if connections[DEFAULT_DB_ALIAS].in_atomic_block:
            return None
        return _settle(bill, lock=LOCK_AND_RELAX, is_within=True)


def _settle(bill: Bill, *, lock: str, is_within: bool = False) -> Settled | None:
    facts = {
        "call": bill.call_id, "held": "held", "state": bill.state, "now": bill.now, "entry": bill.entry_id,
        "cost": None if bill.cost_microusd is None else max(0, bill.cost_microusd), "agent": bill.agent,
        "story": bill.correlation_id, "facts": Jsonb(dict(bill.facts)), "ref": f"call:{bill.call_id}",
        "is_lost": bill.cost_microusd is None, "item": str(bill.facts.get("asked", ""))[:80],
        "slot": int(bill.now.timestamp()) // SLOT_S, "is_within": is_within,
    }  # fmt: skip
    with _connected() as raw, psycopg.Cursor(raw) as cursor:
        with raw.pipeline():
            cursor.execute(lock, prepare=True)
            cursor.execute(SETTLE, facts, prepare=True)
        rows = cursor.fetchall()
    if not rows:
        return None
    bound, cost, pace = rows[0]
    return Settled(bound, cost, pace={(kind, ref): int(total) for kind, ref, total in pace or ()})


@contextmanager
def _relaxed() -> Iterator[None]:
    token = _may_wait.set(False)
    try:
        yield
    finally:
        _may_wait.reset(token)


@contextmanager
def _connected() -> Iterator[psycopg.Connection[Any]]:
    wrapper = connections[DEFAULT_DB_ALIAS]
    wrapper.ensure_connection()
    raw = wrapper.connection
    if raw.prepare_threshold is None:
        raw.prepare_threshold = 0  # Django's own cursors prepare nothing all the same
    with wrapper.wrap_database_errors:
        yield raw
