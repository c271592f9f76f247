"""The rows of money in PostgreSQL: lock the windows in one order, then decide on what they hold now; both travel together."""

from collections.abc import Iterator, Mapping
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
from billing.ports import Bill, Placed, Settled, Verdict, Wish

GROUND: Final = """
ground as materialized (
  select coalesce(max(clock_offset_ms), 0) * interval '1 ms' as ahead, coalesce(bool_or(stopped_at is not null), false) as is_stopped,
    coalesce(max(mode), 'rehearsal') as mode
  from core_installation
)"""
PAYERS: Final = f"""
with {GROUND}, asked as (select unnest(%(scopes)s::uuid[]) as id
), payer as materialized (
  select id from asked
  union select s.parent_id from asked a join billing_scope s on s.id = a.id where s.parent_id is not null
  union select id from billing_scope where kind = 'factory' and ref = 'factory'
  union select id from billing_scope where kind = 'tier' and ref = %(tier)s::text
), start as materialized (
  select date_trunc('day', %(now)s::timestamptz + ahead, 'UTC') as day, date_trunc('month', %(now)s::timestamptz + ahead, 'UTC') as month,
    'epoch'::timestamptz as always from ground
)"""
_HERE: Final = """w.scope_id = l.scope_id and w.period = l.period
  and w.starts_at = case l.period when 'day' then t.day when 'month' then t.month else t.always end"""
LOCK: Final = f"""
{PAYERS}
select w.id from payer p join billing_limit l on l.scope_id = p.id cross join start t join billing_window w on {_HERE}
order by w.id for update of w
"""
PLACE: Final = f"""
{PAYERS}, here as materialized (
  select s.id, s.kind, s.ref, coalesce({PAYER_RANK}, 9) as rank, l.period, l.cap_microusd as cap, w.id as window_id,
    w.cap_microusd - w.spent_microusd - w.held_microusd as free, w.held_microusd as held
  from payer p join billing_scope s on s.id = p.id cross join start t
  left join billing_limit l on l.scope_id = s.id left join billing_window w on {_HERE}
), shut as materialized (
  select kind, ref from billing_switch where cleared_at is null and (until is null or until > %(now)s::timestamptz)
), decided as materialized (
  select case
    when exists (select 1 from billing_hold h where h.call_id = %(call)s::uuid) then 'repeated'
    when exists (select 1 from asked a where not exists (select 1 from here h where h.id = a.id)) then 'unknown'
    when (select is_stopped from ground) or exists (
      select 1 from shut x where (x.kind, x.ref) in (('provider', %(provider)s::text), ('model', %(wire)s::text))
        or exists (select 1 from here h where h.kind = x.kind and h.ref = x.ref)) then 'shut'
    when exists (select 1 from here h where h.period = 'call' and h.cap < %(bound)s::bigint) then 'above_call'
    when not exists (select 1 from here h where h.kind = 'factory' and h.ref = 'factory')
      or (%(tier)s::text <> '' and not exists (select 1 from here h where h.kind = 'tier'))
      or exists (select 1 from here h where h.period <> 'call' and h.window_id is null) then 'unopened'
    when not exists (select 1 from here h where h.kind = 'factory' and h.period = 'day') then 'unreadable'
    when exists (select 1 from here h join shut x on x.kind = 'throttle' and x.ref = h.ref
      where h.kind in ('factory', 'agent') and h.held > 0) then 'narrow'
    when exists (select 1 from here h where h.window_id is not null and h.free < %(bound)s::bigint) then 'short'
    else 'held' end as verdict,
    (select h.id from here h where h.window_id is not null order by h.rank limit 1) as payer_id,
    coalesce((select h.ref from here h where h.kind = 'agent' limit 1), '') as agent
), hold as (
  insert into {HOLD}
  select %(hold)s::uuid, %(call)s::uuid, %(bound)s::bigint, 'held', %(owner)s::text, %(story)s::uuid, payer_id, agent, %(provider)s::text, %(model)s::text, %(expires_at)s::timestamptz, %(now)s::timestamptz
  from decided where verdict = 'held' on conflict (call_id) do nothing returning id
), taken as (
  update billing_window w set held_microusd = w.held_microusd + %(bound)s::bigint from here h, hold where w.id = h.window_id
), part as (
  insert into billing_holdpart (hold_id, window_id)
  select hold.id, h.window_id from here h, hold where h.window_id is not null
)
select case when verdict = 'held' and not exists (select 1 from hold) then 'repeated' else verdict end, payer_id, agent from decided
"""

LOCK_HELD: Final = """
select w.id from billing_hold h join billing_holdpart p on p.hold_id = h.id join billing_window w on w.id = p.window_id
where h.call_id = %(call)s::uuid order by w.id for update of w
"""
SETTLE: Final = f"""
with {GROUND}, claimed as (
  update billing_hold h set state = %(state)s::text, settled_at = %(now)s::timestamptz where h.call_id = %(call)s::uuid and h.state = 'held'
  returning h.id, h.bound_microusd, h.agent, h.correlation_id, coalesce(h.payer_id, (
    select s.id from billing_holdpart p join billing_window w on w.id = p.window_id join billing_scope s on s.id = w.scope_id
    where p.hold_id = h.id order by coalesce({PAYER_RANK}, 9) limit 1)) as payer_id
), bill as materialized (
  select c.id, c.bound_microusd as bound, c.payer_id, g.mode, %(now)s::timestamptz + g.ahead as at,
    case when %(state)s::text = 'released' then 0 else least(coalesce(%(cost)s::bigint, c.bound_microusd), c.bound_microusd) end as cost,
    case when %(agent)s::text = '' then c.agent else %(agent)s::text end as agent, coalesce(%(story)s::uuid, c.correlation_id) as story
  from claimed c cross join ground g
), moved as (
  update billing_window w set held_microusd = w.held_microusd - b.bound, spent_microusd = w.spent_microusd + b.cost
  from bill b join billing_holdpart p on p.hold_id = b.id where w.id = p.window_id
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
  select %(overage)s::uuid, %(call)s::uuid, payer_id, bound, %(cost)s::bigint - bound, at, %(facts)s from booked where %(cost)s::bigint > bound
), spender as materialized (
  select distinct s.id, s.kind, s.ref, b.cost from bill b join billing_holdpart p on p.hold_id = b.id
  join billing_window w on w.id = p.window_id join billing_scope s on s.id = w.scope_id
  where s.kind in ('agent', 'factory') and b.cost > 0
), pace as (
  insert into {PACE} select id, %(slot)s::bigint, cost from spender order by kind, id {ADD_TO_PACE} returning scope_id, amount_microusd
)
select b.bound, b.cost, b.payer_id, b.agent, b.story, b.mode, b.at, (
  select json_agg(json_build_array(s.kind, s.ref, n.amount_microusd + coalesce((
      select sum(o.amount_microusd) from billing_pace o
      where o.scope_id = s.id and o.slot >= %(slot)s::bigint - {RING} and o.slot < %(slot)s::bigint), 0)))
  from pace n join spender s on s.id = n.scope_id)
from bill b
"""


RELAX: Final = "select set_config('synchronous_commit', 'off', true)"
_may_wait: ContextVar[bool] = ContextVar("may_wait", default=True)
"""Whether the end of the running transaction waits for the disk."""


class PostgresWindows:
    """Windows are locked in one order, so two calls never wait for each other; the second statement sees what the first waited for."""

    def place(self, wish: Wish) -> Placed:
        """Hold the bound in every window that counts, or in none."""
        facts = {
            "hold": wish.hold_id, "call": wish.call_id, "scopes": list(wish.scopes), "bound": wish.bound_microusd,
            "owner": wish.owner, "story": wish.correlation_id, "now": wish.now, "expires_at": wish.expires_at,
            "provider": wish.provider, "model": wish.model, "wire": f"{wish.provider}/{wish.model}", "tier": wish.tier,
        }  # fmt: skip
        verdict, payer_id, agent = _locked(LOCK, PLACE, facts)[0]
        return Placed(Verdict(verdict), payer_id=payer_id, agent=agent)

    @contextmanager
    def settling(self) -> Iterator[None]:
        """Return a transaction whose end does not wait for the disk."""
        if connections[DEFAULT_DB_ALIAS].in_atomic_block:
            yield
            return
        token = _may_wait.set(False)
        try:
            with transaction.atomic():
                yield
        finally:
            _may_wait.reset(token)

    def settle(self, bill: Bill) -> Settled | None:
        """Move the hold from held to what the bill says and book it; None: it is not held any more, or never was."""
        facts = {
            "call": bill.call_id, "state": bill.state, "now": bill.now, "entry": bill.entry_id, "overage": bill.overage_id,
            "cost": None if bill.cost_microusd is None else max(0, bill.cost_microusd), "agent": bill.agent,
            "story": bill.correlation_id, "facts": Jsonb(dict(bill.facts)), "ref": f"call:{bill.call_id}",
            "is_lost": bill.cost_microusd is None, "item": str(bill.facts.get("asked", ""))[:80],
            "slot": int(bill.now.timestamp()) // SLOT_S,
        }  # fmt: skip
        rows = _locked(LOCK_HELD, SETTLE, facts)
        if not rows:
            return None
        bound, cost, payer_id, agent, story, mode, at, pace = rows[0]
        return Settled(
            bound_microusd=bound,
            amount_microusd=cost,
            payer_id=payer_id,
            agent=agent,
            correlation_id=story,
            mode=mode,
            at=at,
            pace={(kind, ref): int(total) for kind, ref, total in pace or ()},
        )


def _locked(lock: str, statement: str, facts: Mapping[str, Any]) -> list[Any]:
    """Run both in one round trip: without a transaction of the caller they are one of their own."""
    with _connected() as raw, psycopg.Cursor(raw) as first, psycopg.Cursor(raw) as second:
        with raw.pipeline():
            if not _may_wait.get():
                raw.execute(RELAX, prepare=True)
            first.execute(lock, facts, prepare=True)
            second.execute(statement, facts, prepare=True)
        return second.fetchall()


@contextmanager
def _connected() -> Iterator[psycopg.Connection[Any]]:
    wrapper = connections[DEFAULT_DB_ALIAS]
    wrapper.ensure_connection()
    raw = wrapper.connection
    if raw.prepare_threshold is None:
        raw.prepare_threshold = 0  # Django's own cursors prepare nothing all the same
    with wrapper.wrap_database_errors:
        yield raw
