"""The line in SQLite: the same steps, one after the other, while the transaction that began at once keeps others out."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, ClassVar, Final
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connections

from core.ids import new_id
from factory.work import rules
from factory.work.adapters.line.words import COLUMNS, IN_LINE, RUNS_FOR_S, URGENT_RANK, taken_of
from factory.work.ports import Done, Freed, Refused, Take, Taken, Turn, Wish

AHEAD: Final = "select clock_offset_ms from core_installation"
SHUT: Final = "select k.value from work_outage o, json_each(o.kinds) k where o.until > %(now)s"

_HEAD_OF: Final = f"""
select t.id from work_task t where {IN_LINE} and %s
  and (t.lane not in ('quick', 'job') or t.kind not in (select value from json_each(%%(shut)s)))
order by t.queue, t.lane, t.rank, t.id limit 1
"""
_NEXT_LANE: Final = _HEAD_OF % "t.queue = x.queue and t.lane > x.lane"
_NEXT_QUEUE: Final = _HEAD_OF % "t.queue > x.queue"

# Hops through the index from one (queue, lane) to the next, so what stands behind a head costs nothing.
PRESENT: Final = f"""
with recursive present(id) as (
  select ({_HEAD_OF % "true"})
  union all
  select coalesce(({_NEXT_LANE}), ({_NEXT_QUEUE})) from present join work_task x on x.id = present.id
)
select id from present where id is not null
"""

HEAD: Final = f"""
select t.queue, t.lane, t.rank, l.agent_id, l.model, (
    select count(*) from work_permit w where w.scope in ('agent:' || t.lane, 'model:' || l.model, 'queue:' || t.queue)) as limits
from work_task t join work_queue q on q.name = t.queue join work_lane l on l.name = t.lane
left join roster_agent a on a.id = l.agent_id
where t.id in (select value from json_each(%(present)s))
  and t.queue in (select value from json_each(%(queues)s)) and not q.is_paused and t.rank < %(below)s
  and not exists (select 1 from core_installation g where
    g.stopped_at is not null or g.draining_at is not null or g.maintenance_at is not null)
  and (l.agent_id is null or (a.is_enabled and 'agent' not in (select value from json_each(%(shut)s))))
  and not exists (
    select 1 from work_permit w where w.scope in ('agent:' || t.lane, 'model:' || l.model, 'queue:' || t.queue)
    group by w.scope having sum(w.holder is null and w.is_open and (not w.is_reserved or t.rank < {URGENT_RANK})) = 0
      or sum(w.holder is not null) >= sum(w.is_open))
order by t.rank, t.id limit 1
"""

PERMITS: Final = f"""
select min(w.n), w.scope from work_permit w
where w.scope in ('agent:' || %(lane)s, 'model:' || %(model)s, 'queue:' || %(queue)s) and w.holder is null and w.is_open
  and (not w.is_reserved or %(rank)s < {URGENT_RANK}) group by w.scope
"""

CANDIDATES: Final = f"""
select t.id, case when p.state = 'frozen' then 'frozen' else coalesce((
    select 'budget:' || l.scope_id from billing_limit l
    left join billing_window w on w.scope_id = l.scope_id and w.period = l.period
      and w.starts_at <= %(business)s and (w.ends_at is null or w.ends_at > %(business)s)
    where t.agent_id is not null and l.period <> 'call'
      and l.scope_id in (d.scope_id, d.payer_id, a.scope_id, (select s.parent_id from billing_scope s where s.id = a.scope_id),
        (select s.id from billing_scope s where s.kind = 'factory'))
      and coalesce(w.cap_microusd - w.spent_microusd - w.held_microusd, l.cap_microusd) < min({rules.LEAST_MICROUSD}, coalesce((
          select own.cap_microusd from billing_limit own where own.scope_id = t.scope_id and own.period = 'life'), 0))
    limit 1), '') end as refusal, {COLUMNS}, (
    select json_group_array(json_array(b.key, json(x.result), exists (select 1 from work_artifact f where f.attempt_id = x.id)))
    from (select b.id, b.key from work_dependency e join work_task b on b.id = e.depends_on_id where e.task_id = t.id order by b.key) b
    join work_attempt x on x.task_id = b.id and x.state = 'done'), {RUNS_FOR_S}
from work_task t join work_dag d on d.id = t.dag_id left join roster_agent a on a.id = t.agent_id
left join portfolio_product p on p.id = d.product_id
where {IN_LINE} and t.queue = %(queue)s and t.lane = %(lane)s
  and (t.lane not in ('quick', 'job') or t.kind not in (select value from json_each(%(shut)s)))
order by t.rank, t.id limit %(at_most)s
"""

CLAIM: Final = """
update work_task set state = %s, version = version + %s, changed_at = %s, fence = fence + 1, lease = %s, leased_to = %s,
  leased_until = %s, run_until = %s where id = %s
"""
ATTEMPT: Final = """
insert into work_attempt (id, task_id, agent_id, n, worker, state, error, error_class, has_raised, claimed_at, started_at)
values (%s, %s, %s, %s, %s, 'open', '', '', 0, %s, %s)
"""
TAKE_PERMIT: Final = "update work_permit set holder = %s where scope = %s and n = %s"
HISTORY: Final = (
    "insert into work_taskevent (task_id, old, new, actor, reason, at) values (%s, %s, %s, %s, %s, %s)"
)

WAITING: Final = f"""
select 1 from work_task t where {IN_LINE} and t.queue in (select value from json_each(%(queues)s)) limit 1
"""
HOLD: Final = "select lease from work_task where lease in (select value from json_each(%(attempts)s)) and state = 'running'"
COMPLETED: Final = """
update work_task set state = 'completed', version = version + case when state = 'running' then 2 else 1 end,
  changed_at = %(now)s, question = null, lease = null, leased_to = '', leased_until = null, run_until = null
where id in (select value from json_each(%(tasks)s))
"""
RESULT: Final = """
update work_attempt set state = 'done', ended_at = coalesce(ended_at, %s), result = coalesce(%s, result) where id = %s
"""
PERMIT: Final = (
    "update work_permit set holder = null where holder in (select value from json_each(%(attempts)s))"
)
TOKEN: Final = """
update roster_capabilitytoken set revoked_at = %(now)s
where assignment_id in (select value from json_each(%(attempts)s)) and revoked_at is null
"""
BEHIND: Final = """
select b.id, b.state, b.queue, b.is_due, b.met, b.priority, b.behind, b.is_paused,
  b.open_dependencies = b.met and (b.state = 'pending' or (b.state = 'waiting' and b.question is null))
from (
  select t.id, t.state, t.queue, t.due_at is not null as is_due, t.priority, t.behind, t.question, t.open_dependencies,
    (select d.is_paused from work_dag d where d.id = t.dag_id) as is_paused, e.met
  from (
    select task_id, count(*) as met from work_dependency
    where depends_on_id in (select value from json_each(%(tasks)s)) group by task_id) e
  join work_task t on t.id = e.task_id) b
"""
COUNT_DOWN: Final = "update work_task set open_dependencies = open_dependencies - %s where id = %s"
READY: Final = """
update work_task set open_dependencies = 0, state = 'ready', version = version + 1, changed_at = %s, ready_at = %s, rank = %s,
  held = %s where id = %s
"""
OVER: Final = """
select d.id from work_dag d
where d.id in (select value from json_each(%(dags)s)) and d.closed_at is null and not exists (
  select 1 from work_task t where t.dag_id = d.id and t.state not in ('cancelled', 'completed'))
"""


class SqliteLine:
    """One writer at a time, so every step sees what the one before it wrote."""

    statements: ClassVar[Mapping[str, str]] = {
        "present": PRESENT,
        "head": HEAD,
        "candidates": CANDIDATES,
        "claim": CLAIM,
        "hold": HOLD,
        "result": RESULT,
        "permit": PERMIT,
    }

    def take(self, wish: Wish) -> Take:
        """Claim the head of the line: rows of pauses shared, one permit of each limit, task, attempt and history."""
        common = {"queues": json.dumps(wish.queues), "shut": _ids_of(SHUT, {"now": _moment(wish.now)})}
        below = URGENT_RANK if wish.is_urgent_only else float("inf")
        common["present"] = _ids_of(self.statements["present"], common)
        for queue, lane, rank, agent_id, model, limits in _rows(
            self.statements["head"], {**common, "below": below}
        ):
            place = {**common, "queue": queue, "lane": lane, "rank": rank, "model": model}
            place["at_most"] = 1 if agent_id or limits or lane != "quick" else wish.at_most
            place["business"] = _moment(wish.now, ahead_ms=_ahead_ms() if agent_id else 0)
            rows = _rows(self.statements["candidates"], place)
            refused = next((Refused(task_id=UUID(row[0]), why=row[1]) for row in rows if row[1]), None)
            taken = _claim([row for row in rows if not row[1]], wish, by=self.statements["claim"])
            if limits and taken:
                permits = [(taken[0].attempt_id.hex, scope, n) for n, scope in _rows(PERMITS, place)]
                _many(TAKE_PERMIT, permits)
            return Take(taken=taken, refused=refused)
        return Take()

    def is_waiting(self, queues: Sequence[str]) -> bool:
        """Say whether anything is ready in these queues."""
        connections[DEFAULT_DB_ALIAS].ensure_connection()
        return bool(_rows(WAITING, {"queues": json.dumps(queues)}))

    def turn(self, done: Sequence[Done], wish: Wish | None, *, now: datetime) -> Turn:
        """End those attempts that still run, then take what is wished for; nobody else writes until this transaction ends."""
        attempts = {"attempts": _ids(one.attempt_id for one in done)}
        held = frozenset(UUID(lease) for (lease,) in _rows(self.statements["hold"], attempts))
        kept = [one for one in done if one.attempt_id in held]
        freed = self.complete(kept, now=now) if kept else Freed()
        return Turn(held=held, freed=freed, take=self.take(wish) if wish else Take())

    def complete(self, done: Sequence[Done], *, now: datetime) -> Freed:
        """Let the tasks of these attempts be done, count down what waits for them, find graphs that are over."""
        at = _moment(now)
        facts = {
            "tasks": _ids(one.task_id for one in done), "attempts": _ids(one.attempt_id for one in done), "now": at,
            "dags": _ids({one.dag_id for one in done})
        }  # fmt: skip
        _rows(COMPLETED, facts)
        _many(self.statements["result"], [(at, one.result, one.attempt_id.hex) for one in done])
        _rows(self.statements["permit"], facts)
        if any(one.has_agent for one in done):
            _rows(TOKEN, facts)
        behind = _rows(BEHIND, facts)
        free = [row for row in behind if row[-1]]
        _many(COUNT_DOWN, [(row[4], row[0]) for row in behind if not row[-1]])
        _many(READY, [_place(row, at=at, minute=now.timestamp() / 60) for row in free])
        _many(HISTORY, [*_endings(done, at), *_releases(free, at)])
        return Freed(
            queues=tuple(row[2] for row in free),
            due=tuple(UUID(row[0]) for row in free if row[3]),
            over=tuple(UUID(dag_id) for (dag_id,) in _rows(OVER, facts)),
        )


def _claim(rows: Sequence[Any], wish: Wish, *, by: str) -> tuple[Taken, ...]:
    at, until, state = (
        _moment(wish.now),
        _moment(wish.leased_until),
        "running" if wish.is_begun else "claimed",
    )
    begun, moves = at if wish.is_begun else None, 2 if wish.is_begun else 1
    made, claims, attempts, history = [], [], [], []
    for row in rows:
        attempt, task = new_id(), row[0]
        fence, over = row[5] + 1, _moment(wish.now + timedelta(seconds=row[-1])) if wish.is_begun else None
        claims.append((state, moves, at, attempt.hex, wish.worker, until, over, task))
        attempts.append((attempt.hex, task, row[4], fence, wish.worker, at, begun))
        steps = (("ready", "claimed", f"claim {fence}"), ("claimed", "running", f"attempt {fence}"))[:moves]
        history += [(task, old, new, wish.worker, reason, at) for old, new, reason in steps]
        made.append(taken_of([attempt, *row[2:5], fence, *row[6:-1]]))
    _many(by, claims)
    _many(ATTEMPT, attempts)
    _many(HISTORY, history)
    return tuple(made)


def _place(row: Sequence[Any], *, at: str, minute: float) -> tuple[Any, ...]:
    """Return the new columns of a task behind that becomes ready; a due time is looked at by the caller."""
    task_id, _, _, _, _, priority, behind, is_paused, _ = row
    place = rules.rank(priority, ready_min=minute, behind=behind)
    return at, at, place, "paused" if is_paused else "", task_id


def _endings(done: Sequence[Done], at: str) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for one in done:
        if not one.is_judged:
            rows.append((one.task_id.hex, "running", "validating", one.worker, one.reason, at))
        rows.append(
            (one.task_id.hex, "validating", "completed", one.actor, one.reason if one.is_judged else "", at)
        )
    return rows


def _releases(free: Sequence[Any], at: str) -> list[tuple[str, ...]]:
    return [(row[0], row[1], "ready", "work", "all it waited for is done", at) for row in free]


def _ids_of(statement: str, facts: Mapping[str, Any]) -> str:
    """Return the one column of what is found as SQLite's JSON functions read it."""
    return json.dumps([one for (one,) in _rows(statement, facts)])


def _ids(ids: Any) -> str:
    return json.dumps([one.hex for one in ids])


def _moment(moment: datetime, *, ahead_ms: int = 0) -> str:
    """Return a moment as SQLite keeps it, so that texts compare as times do."""
    return (moment.astimezone(UTC) + timedelta(milliseconds=ahead_ms)).replace(tzinfo=None).isoformat(" ")


def _ahead_ms() -> int:
    return next((ahead for (ahead,) in _rows(AHEAD, {})), 0)


@lru_cache
def _named(statement: str) -> str:
    """Return the statement in the driver's own notation: Django would translate it at every call."""
    return re.sub(r"%\((\w+)\)s", r":\1", statement).replace("%s", "?")


def _rows(statement: str, facts: Mapping[str, Any]) -> list[Any]:
    wrapper = connections[DEFAULT_DB_ALIAS]
    with wrapper.wrap_database_errors:
        return list(wrapper.connection.execute(_named(statement), facts))


def _many(statement: str, rows: Sequence[Any]) -> None:
    wrapper = connections[DEFAULT_DB_ALIAS]
    if rows:
        with wrapper.wrap_database_errors:
            wrapper.connection.executemany(_named(statement), rows)
