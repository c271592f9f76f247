"""The line in PostgreSQL: one statement for a claim, two for an end."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import lru_cache
from typing import Any, ClassVar, Final

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections
from django.utils import timezone

from core.ids import new_id
from factory.work import rules
from factory.work.adapters.line.words import (
    GRAPH_COLUMNS,
    IN_LINE,
    MORE_COLUMNS,
    RUNS_FOR_S,
    TASK_COLUMNS,
    URGENT_RANK,
    taken_of,
)
from factory.work.ports import Done, Freed, Refused, Take, Turn, Wish

FEW: Final = 10_000
"""A limit whose value the planner cannot see: it counts on few rows and reads them by their keys, however old the plan is."""
MOST: Final = 32
"""What one claim may take, in a number the planner sees."""

OPEN: Final = """case when t.lane in ('quick', 'job') then not t.kind = any((select kinds from shut)::text[]) else true end"""
"""A job of no shut kind; a case, since the planner takes it for common, and goes through the line in its order."""

_SCOPES: Final = "array['agent:' || p.lane, 'model:' || l.model, 'queue:' || p.queue]"
"""Whose permits bind the head of a lane."""

# What keeps a task back is read under shared locks: a pause waits for claims that are under way, later ones see it.
# `present` hops through the index from one (queue, lane) to the next, so what stands behind a head costs nothing.
TAKE: Final = f"""
with recursive ground as materialized (
  select coalesce(max(g.clock_offset_ms), 0) as ahead_ms
  from (select stopped_at, draining_at, maintenance_at, clock_offset_ms from core_installation for share) g
  having coalesce(bool_and(g.stopped_at is null and g.draining_at is null and g.maintenance_at is null), true)
), shut as materialized (
  select coalesce(array_agg(k.kind), '{{}}') as kinds
  from work_outage o cross join lateral jsonb_array_elements_text(o.kinds) k(kind) where o.until > %(here)s
), present as (
  (select t.queue, t.lane, t.rank, t.id from work_task t where {IN_LINE}
     and {OPEN} order by t.queue, t.lane, t.rank, t.id limit 1)
  union all
  select n.queue, n.lane, n.rank, n.id from present p cross join lateral (
    select t.queue, t.lane, t.rank, t.id from work_task t where {IN_LINE} and (t.queue, t.lane) > (p.queue, p.lane)
      and {OPEN} order by t.queue, t.lane, t.rank, t.id limit 1
  ) n
), head as materialized (
  select p.queue, p.lane, p.rank, l.agent_id, {_SCOPES} as scopes
  from present p join work_queue q on q.name = p.queue join work_lane l on l.name = p.lane
  left join roster_agent a on a.id = l.agent_id
  where exists (select 1 from ground) and p.queue = any(%(queues)s::text[]) and not q.is_paused and p.rank < %(below)s
    and (l.agent_id is null or (a.is_enabled and not 'agent' = any((select kinds from shut)::text[])))
    and not exists (
      select 1 from work_permit w where w.scope = any({_SCOPES}) group by w.scope
      having not bool_or(w.holder is null and w.is_open and (not w.is_reserved or p.rank < {URGENT_RANK}))
        or count(w.holder) >= count(*) filter (where w.is_open))
  order by p.rank, p.id limit 1
), open_queue as materialized (
  select name from work_queue where name = (select queue from head) and not is_paused for share
), open_agent as materialized (
  select id from roster_agent where id = (select agent_id from head) and is_enabled for share
), need as materialized (
  select h.rank, s.scope from head h cross join lateral unnest(h.scopes) s(scope)
  where exists (select 1 from work_permit w where w.scope = s.scope)
), permit as materialized (
  select w.id from need cross join lateral (
    select id from work_permit where scope = need.scope and holder is null and is_open
      and (not is_reserved or need.rank < {URGENT_RANK}) order by n limit 1 for update skip locked) w
), candidate as materialized (
  select t.id, t.dag_id, t.agent_id, t.scope_id, t.rank from work_task t
  where {IN_LINE} and t.queue = (select queue from head) and t.lane = (select lane from head)
    and {OPEN}
  order by t.rank, t.id
  limit (select case when h.lane = 'quick' and not exists (select 1 from need) then %(at_most)s else 1 end from head h)
  for update of t skip locked
), product as materialized (
  select p.id, p.state from candidate c join work_dag d on d.id = c.dag_id join portfolio_product p on p.id = d.product_id
  for share of p
), judged as materialized (
  select c.id, c.rank, {GRAPH_COLUMNS}, case
    when d.product_id in (select p.id from product p where p.state = 'frozen') then 'frozen' else coalesce((
      select 'budget:' || l.scope_id from billing_limit l
      left join billing_window w on w.scope_id = l.scope_id and w.period = l.period
        and w.starts_at <= %(now)s + g.ahead_ms * interval '1 ms'
        and (w.ends_at is null or w.ends_at > %(now)s + g.ahead_ms * interval '1 ms')
      where c.agent_id is not null and l.period <> 'call'
        and l.scope_id in (d.scope_id, d.payer_id, a.scope_id, (select s.parent_id from billing_scope s where s.id = a.scope_id),
        (select s.id from billing_scope s where s.kind = 'factory'))
        and coalesce(w.cap_microusd - w.spent_microusd - w.held_microusd, l.cap_microusd) < least({rules.LEAST_MICROUSD}, coalesce((
          select own.cap_microusd from billing_limit own where own.scope_id = c.scope_id and own.period = 'life'), 0))
      limit 1), '') end as refusal
  from ground g cross join (select * from (select * from candidate limit {MOST}) c limit %(few)s) c join work_dag d on d.id = c.dag_id
  left join roster_agent a on a.id = c.agent_id
), chosen as materialized (
  select j.id, (%(attempts)s::uuid[])[row_number() over (order by j.rank, j.id)] as attempt_id
  from judged j cross join head h
  where j.refusal = '' and exists (select 1 from open_queue)
    and (h.agent_id is null or exists (select 1 from open_agent))
    and (select count(*) from permit) = (select count(*) from need)
  limit %(few)s
), taken as (
  update work_task t set state = %(state)s, version = t.version + %(moves)s, changed_at = %(now)s, fence = t.fence + 1,
    lease = c.attempt_id, leased_to = %(worker)s, leased_until = %(leased_until)s,
    run_until = case when %(moves)s = 2 then %(now)s + {RUNS_FOR_S} * interval '1 s' end
  from chosen c where t.id = c.id returning t.*
), attempt as (
  insert into work_attempt (id, task_id, agent_id, n, worker, state, error, error_class, has_raised, claimed_at, started_at)
  select t.lease, t.id, t.agent_id, t.fence, %(worker)s, 'open', '', '', false, %(now)s,
    case when %(moves)s = 2 then %(now)s end from taken t
), held as (
  update work_permit w set holder = (select attempt_id from chosen limit 1)
  from permit where w.id = permit.id and exists (select 1 from chosen)
), history as (
  insert into work_taskevent (task_id, old, new, actor, reason, at)
  select t.id, m.old, m.new, %(worker)s, m.word || t.fence, %(now)s
  from taken t cross join (values (1, 'ready', 'claimed', 'claim '), (2, 'claimed', 'running', 'attempt ')) m(n, old, new, word)
  where m.n <= %(moves)s order by t.id, m.n
)
select j.id, j.refusal, t.lease, {TASK_COLUMNS}, j.dag_scope, j.payer_id, j.agent_scope, j.correlation_id, j.is_first,
  {MORE_COLUMNS}, (
    select json_agg(json_build_array(b.key, x.result, exists (select 1 from work_artifact f where f.attempt_id = x.id)) order by b.key)
    from work_dependency e cross join lateral (select b.id, b.key from work_task b where b.id = e.depends_on_id offset 0) b
    cross join lateral (
      select x.id, x.result from work_attempt x where x.task_id = b.id and x.state = 'done' offset 0) x where e.task_id = t.id)::text
from head left join judged j on true left join taken t on t.id = j.id
order by j.rank, j.id
"""

WAITING: Final = f"select 1 from work_task t where {IN_LINE} and t.queue = any(%(queues)s::text[]) limit 1"

HOLD: Final = """
with graph as materialized (select id from work_dag where id = any(%(dags)s::uuid[]) order by id for update)
select t.lease from work_task t
where t.dag_id in (select id from graph) and t.lease = any(%(attempts)s::uuid[]) and t.state = 'running' order by t.id for update of t
"""

_LIFTED: Final = "t.priority - least(2.0 * t.behind, 20.0)"
_RANK: Final = f"""
case when t.priority < {rules.URGENT} then {_LIFTED} + 0.1 * %(minute)s - {rules.CRITICAL}
  when {_LIFTED} <= {rules.URGENT} then 0.1 * %(minute)s - {rules.FLOOR} else {_LIFTED} + 0.1 * %(minute)s end
"""
"""`rules.rank`, due times apart: those are looked at by the caller."""

COMPLETE: Final = f"""
with over as materialized (
  select * from json_to_recordset(%(done)s::json)
    o(task_id uuid, attempt_id uuid, result text, worker text, actor text, reason text, is_judged bool)
  where o.is_judged
    or (select t.state from work_task t where t.id = o.task_id and t.lease = o.attempt_id) = 'running' limit %(few)s
), completed as (
  update work_task t set state = 'completed', version = t.version + 2 - o.is_judged::int, changed_at = %(now)s, question = null,
    lease = null, leased_to = '', leased_until = null, run_until = null
  from over o where t.id = o.task_id returning t.id
), attempt as (
  update work_attempt x set state = 'done', ended_at = coalesce(x.ended_at, %(now)s), result = coalesce(o.result::jsonb, x.result)
  from over o where x.id = o.attempt_id
), permit as (
  update work_permit set holder = null where holder in (select attempt_id from over)
), edge as (
  select e.task_id, count(*) as n from over o cross join lateral (
    select task_id from work_dependency where depends_on_id = o.task_id offset 0) e
  group by e.task_id limit %(few)s
), behind as (
  select t.id, t.state as old, e.n, d.is_paused, t.open_dependencies = e.n
      and (t.state = 'pending' or (t.state = 'waiting' and t.question is null)) as is_free
  from edge e join work_task t on t.id = e.task_id join work_dag d on d.id = t.dag_id limit %(few)s
), freed as (
  update work_task t set open_dependencies = t.open_dependencies - b.n,
    state = case when b.is_free then 'ready' else t.state end,
    version = t.version + b.is_free::int, changed_at = case when b.is_free then %(now)s else t.changed_at end,
    ready_at = case when b.is_free then %(now)s else t.ready_at end,
    rank = case when b.is_free then {_RANK} else t.rank end,
    held = case when b.is_free and b.is_paused then 'paused' else t.held end
  from behind b where t.id = b.id returning t.id, t.queue, t.due_at, b.is_free, b.old
), history as (
  insert into work_taskevent (task_id, old, new, actor, reason, at)
  select h.task_id, h.old, h.new, h.actor, h.reason, %(now)s from (
    select o.task_id, 1 as n, 'running' as old, 'validating' as new, o.worker as actor, o.reason from over o where not o.is_judged
    union all select o.task_id, 2, 'validating', 'completed', o.actor, case when o.is_judged then o.reason else '' end from over o
    union all select f.id, 3, f.old, 'ready', 'work', 'all it waited for is done' from freed f where f.is_free) h order by h.n, h.task_id
), over_now as (
  select d.id from (select unnest(%(dags)s::uuid[]) as id limit %(few)s) g join work_dag d on d.id = g.id
  where d.closed_at is null and (
    select t.id from work_task t where t.dag_id = d.id and t.state not in ('cancelled', 'completed')
      and t.id not in (select task_id from over) limit 1) is null
)
select 'ready', f.id, f.queue, f.due_at is not null from freed f where f.is_free
union all select 'over', o.id, '', false from over_now o
"""

TOKEN: Final = """
update roster_capabilitytoken set revoked_at = %(now)s
where assignment_id = any(%(attempts)s::uuid[]) and revoked_at is null returning id
"""


class PostgresLine:
    """Row locks that skip locked rows; statements are prepared once per connection."""

    statements: ClassVar[Mapping[str, str]] = {"take": TAKE, "hold": HOLD, "complete": COMPLETE}

    def take(self, wish: Wish) -> Take:
        """Claim the head of the line: rows of pauses shared, one permit of each limit, task, attempt and history."""
        (rows,) = _answers((self.statements["take"], _wished(wish)))
        return _take_of(rows)

    def is_waiting(self, queues: Sequence[str]) -> bool:
        """Say whether anything is ready in these queues."""
        (rows,) = _answers((WAITING, {"queues": _array(queues)}))
        return bool(rows)

    def turn(self, done: Sequence[Done], wish: Wish | None, *, now: datetime) -> Turn:
        """End those attempts, then take what is wished for: all statements travel together."""
        facts = _ended(done, now)
        hold = [(self.statements["hold"], facts)] if done else []
        take = [(self.statements["take"], _wished(wish))] if wish else []
        answers = _answers(*hold, *self._end(done, facts), *take)
        return Turn(
            held=frozenset(lease for (lease,) in answers[0]) if done else frozenset(),
            freed=_freed_of(answers[1]) if done else Freed(),
            take=_take_of(answers[-1]) if wish else Take(),
        )

    def complete(self, done: Sequence[Done], *, now: datetime) -> Freed:
        """Let the tasks of these attempts be done, count down what waits for them, find graphs that are over."""
        return _freed_of(_answers(*self._end(done, _ended(done, now)))[0])

    def _end(self, done: Sequence[Done], facts: Mapping[str, Any]) -> list["Asked"]:
        """A job has no token, so nothing is asked about one."""
        complete = [(self.statements["complete"], facts)] if done else []
        return [*complete, (TOKEN, facts)] if any(one.has_agent for one in done) else complete


Asked = tuple[str, Mapping[str, Any]]
"""A statement, and what it is asked with."""


def _wished(wish: Wish) -> dict[str, Any]:
    return {
        "queues": _array(wish.queues), "now": wish.now, "here": timezone.now(), "worker": wish.worker,
        "leased_until": wish.leased_until, "at_most": wish.at_most, "moves": 2 if wish.is_begun else 1,
        "state": "running" if wish.is_begun else "claimed", "attempts": _array(new_id() for _ in range(wish.at_most)),
        "few": FEW, "below": URGENT_RANK if wish.is_urgent_only else float("inf"),
    }  # fmt: skip


def _take_of(rows: Sequence[Any]) -> Take:
    taken = tuple(taken_of(row[2:]) for row in rows if row[2])
    refused = next((Refused(task_id=row[0], why=row[1]) for row in rows if row[1]), None)
    return Take(taken=taken, refused=refused, is_raced=bool(rows) and not taken and not refused)


def _ended(done: Sequence[Done], now: datetime) -> dict[str, Any]:
    over = [
        {
            "task_id": str(one.task_id), "attempt_id": str(one.attempt_id), "result": one.result, "worker": one.worker,
            "actor": one.actor, "reason": one.reason, "is_judged": one.is_judged,
        }
        for one in done
    ]  # fmt: skip
    return {
        "done": json.dumps(over), "attempts": _array(one.attempt_id for one in done),
        "dags": _array({one.dag_id for one in done}), "few": FEW,
        "now": now, "minute": now.timestamp() / 60,
    }  # fmt: skip


def _freed_of(rows: Sequence[Any]) -> Freed:
    return Freed(
        queues=tuple(queue for what, _, queue, _ in rows if what == "ready"),
        due=tuple(task_id for _, task_id, _, is_due in rows if is_due),
        over=tuple(dag_id for what, dag_id, _, _ in rows if what == "over"),
    )


def _array(words: Iterable[object]) -> str:
    """Return ids, or names without a space, as the server reads an array: the driver would look at each one's type."""
    return f"{{{','.join(map(str, words))}}}"


@lru_cache
def _numbered(statement: str) -> tuple[bytes, tuple[str, ...]]:
    """Return the statement in the server's own notation, and its names in order: the driver would translate it at every call."""
    names: dict[str, str] = {}
    text = re.sub(r"%\((\w+)\)s", lambda found: names.setdefault(found[1], f"${len(names) + 1}"), statement)
    return text.encode(), tuple(names)


def _answers(*asked: Asked) -> list[list[Any]]:
    """Run prepared statements in one go: planning a long one each time costs more than running it."""
    with _connected() as raw:
        cursors = [psycopg.RawCursor(raw) for _ in asked]
        with raw.pipeline():
            for cursor, (statement, facts) in zip(cursors, asked, strict=True):
                query, names = _numbered(statement)
                cursor.execute(query, [facts[name] for name in names], prepare=True)
        return [cursor.fetchall() for cursor in cursors]  # all came with the end of the pipeline


@contextmanager
def _connected() -> Iterator[psycopg.Connection[Any]]:
    wrapper = connections[DEFAULT_DB_ALIAS]
    wrapper.ensure_connection()
    raw = wrapper.connection
    if raw.prepare_threshold is None:
        raw.prepare_threshold = 0  # Django's own cursors prepare nothing all the same
    with wrapper.wrap_database_errors:
        yield raw
