"""One story as a tree of spans: who asked whom, when, how it ended and what it cost. Source: R-08.9."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from agents.gateway.models import Call
from agents.runtime.models import Session, ToolCall, Turn
from factory.insight.rules.spans import Span
from factory.work.models import Attempt, Dag, Task

SUBJECTS: Final = ("path", "command", "pattern", "query", "url")
MOST_WORDS: Final = 300


@dataclass(frozen=True)
class Rows:
    """The rows a tree is made of, each sort in order of time; `scores` by attempt."""

    graphs: Sequence[Dag] = ()
    tasks: Sequence[Task] = ()
    attempts: Sequence[Attempt] = ()
    sessions: Sequence[Session] = ()
    turns: Sequence[Turn] = ()
    uses: Sequence[ToolCall] = ()
    calls: Sequence[Call] = ()
    scores: Mapping[UUID, float] = field(default_factory=dict)


def tree_of(root: Span, rows: Rows) -> tuple[Span, ...]:
    """Return the spans in order, each behind its parent, each with the sums of what stands below it."""
    below: defaultdict[UUID | None, list[Span]] = defaultdict(list)
    for span in spans_in(root, rows):
        below[span.parent_id].append(span)
    return tuple(_walk(root, below, depth=0))


def spans_in(root: Span, rows: Rows) -> Iterator[Span]:
    """Yield a span for each row, in no order; what has no parent here hangs under `root`."""
    graphs, tasks = {row.pk for row in rows.graphs}, {row.pk for row in rows.tasks}
    attempts = {row.pk: row for row in rows.attempts}
    for graph in rows.graphs:
        yield graph_span(graph, parent_id=root.id)
    for task in rows.tasks:
        parent = (
            task.parent_id if task.parent_id in tasks else task.dag_id if task.dag_id in graphs else root.id
        )
        yield task_span(task, parent_id=parent)
    yield from _attempts(rows, attempts=attempts, root=root, tasks=tasks)
    yield from _turns(rows, attempts=attempts, root=root)


def _attempts(
    rows: Rows, *, attempts: Mapping[UUID, Attempt], root: Span, tasks: set[UUID]
) -> Iterator[Span]:
    versions = {session.assignment_id: session.agent_version.sha256 for session in rows.sessions}
    for attempt in rows.attempts:
        yield attempt_span(
            attempt, prompt_version=versions.get(attempt.pk, ""), score=rows.scores.get(attempt.pk)
        )
    for session in rows.sessions:
        if session.assignment_id not in attempts:
            parent = session.reuse_key if session.reuse_key in tasks else root.id
            yield session_span(session, parent_id=parent)


def _turns(rows: Rows, *, attempts: Mapping[UUID, Attempt], root: Span) -> Iterator[Span]:
    attempt_of = {session.pk: session.assignment_id for session in rows.sessions}
    uses: defaultdict[UUID, list[ToolCall]] = defaultdict(list)
    for use in rows.uses:
        uses[use.turn_id].append(use)
    steps = {call.pk: (call.assignment_id, call.step_key or call.pk) for call in rows.calls}
    calls: defaultdict[object, list[Call]] = defaultdict(list)
    for call in rows.calls:
        calls[steps[call.pk]].append(call)
    paid = {call.assignment_id for call in rows.calls}
    for turn in rows.turns:
        attempt_id = attempt_of[turn.session_id]
        step = None if turn.is_replayed else steps.get(turn.call_id)
        tries = calls.pop(step, []) if step else []
        yield turn_span(
            turn, parent_id=attempt_id, calls=tries, uses=uses[turn.pk], is_told=attempt_id not in paid
        )
        yield from (call_span(call, parent_id=turn.pk) for call in tries)
        yield from (tool_span(use, parent_id=turn.pk) for use in uses[turn.pk])
    known = {*attempts, *attempt_of.values()}
    for call in (one for rest in calls.values() for one in rest):
        is_lost = call.assignment_id not in known
        yield call_span(call, parent_id=root.id if is_lost else call.assignment_id, is_lost=is_lost)


def graph_span(graph: Dag, *, parent_id: UUID | None) -> Span:
    """Return a graph of tasks as a span."""
    return Span(
        id=graph.pk, kind="graph", name=graph.title, parent_id=parent_id, status=graph.state,
        started_at=graph.created_at, ended_at=graph.closed_at,
    )  # fmt: skip


def task_span(task: Task, *, parent_id: UUID | None) -> Span:
    """Return a task as a span: from the moment it could begin to the moment it was over."""
    return Span(
        id=task.pk, kind="task", name=task.title, parent_id=parent_id, status=task.state,
        agent=task.agent.name if task.agent else "", started_at=task.ready_at,
        ended_at=task.changed_at if task.is_final else None,
    )  # fmt: skip


def attempt_span(attempt: Attempt, *, prompt_version: str = "", score: float | None = None) -> Span:
    """Return an attempt as a span."""
    return Span(
        id=attempt.pk, kind="attempt", name=f"Try {attempt.n}", parent_id=attempt.task_id, status=attempt.state,
        started_at=attempt.claimed_at, ended_at=attempt.ended_at, agent=attempt.agent.name if attempt.agent else "",
        prompt_version=prompt_version, score=score, words=attempt.error[:MOST_WORDS],
    )  # fmt: skip


def session_span(session: Session, *, parent_id: UUID) -> Span:
    """Return a session whose attempt is not known as a span."""
    return Span(
        id=session.assignment_id, kind="attempt", name=session.title, parent_id=parent_id, status=session.state,
        started_at=session.started_at, ended_at=session.ended_at, agent=session.agent.name,
        prompt_version=session.agent_version.sha256, words=session.error[:MOST_WORDS], is_lost=True,
    )  # fmt: skip


def turn_span(
    turn: Turn, *, parent_id: UUID, calls: Sequence[Call], uses: Sequence[ToolCall], is_told: bool = False
) -> Span:
    """Return a turn as a span: from its first call to the end of its last tool; one told again took no time.

    Its own tokens and cost count where `is_told`: no call of its attempt is kept.
    """
    return Span(
        id=turn.pk, kind="turn", name=f"Answer {turn.number}", parent_id=parent_id,
        status="replayed" if turn.is_replayed else "done", model=turn.model,
        started_at=min((call.started_at for call in calls), default=turn.at),
        ended_at=max([turn.at, *(_born(use.pk) for use in uses)]),
        prompt_tokens=turn.prompt_tokens if is_told else None,
        completion_tokens=turn.completion_tokens if is_told else None,
        cost_microusd=turn.cost_microusd if is_told else None,
    )  # fmt: skip


def call_span(call: Call, *, parent_id: UUID | None, is_lost: bool = False) -> Span:
    """Return one try at a model call as a span."""
    return Span(
        id=call.pk, kind="call", name=call.model.name, parent_id=parent_id, status=call.status, agent=call.agent,
        model=call.served_model or call.model.name, started_at=call.started_at, ended_at=call.ended_at,
        prompt_tokens=call.prompt_tokens, completion_tokens=call.completion_tokens, cost_microusd=call.cost_microusd,
        words=f"{call.fault} {call.words}".strip()[:MOST_WORDS], is_lost=is_lost,
    )  # fmt: skip


def tool_span(use: ToolCall, *, parent_id: UUID) -> Span:
    """Return one use of a tool as a span; its row is written when the tool is done."""
    ended_at = _born(use.pk)
    given = use.arguments if isinstance(use.arguments, dict) else {}
    subject = next((str(given[key]) for key in SUBJECTS if given.get(key)), "")
    return Span(
        id=use.pk, kind="tool", name=use.tool, parent_id=parent_id,
        status="failed" if use.outcome == ToolCall.Outcome.DONE and use.is_error else use.outcome,
        started_at=ended_at - timedelta(milliseconds=use.duration_ms), ended_at=ended_at, words=subject[:MOST_WORDS],
    )  # fmt: skip


def _born(pk: UUID) -> datetime:
    """Return when this id was made: a UUIDv7 begins with its milliseconds. Source: RFC 9562."""
    return datetime.fromtimestamp((pk.int >> 80) / 1000, tz=UTC)


def _walk(span: Span, below: Mapping[UUID | None, Sequence[Span]], *, depth: int) -> Iterator[Span]:
    """Yield a span and all below it; the sums of a parent are those of its children."""
    children = [
        tuple(_walk(one, below, depth=depth + 1)) for one in sorted(below.get(span.id, ()), key=_when)
    ]
    firsts = [child[0] for child in children]
    yield replace(
        span,
        depth=depth,
        prompt_tokens=_sum([span.prompt_tokens, *(one.prompt_tokens for one in firsts)]),
        completion_tokens=_sum([span.completion_tokens, *(one.completion_tokens for one in firsts)]),
        cost_microusd=_sum([span.cost_microusd, *(one.cost_microusd for one in firsts)]),
    )
    for child in children:
        yield from child


def _when(span: Span) -> tuple[float, int]:
    began = span.started_at.timestamp() if span.started_at else float("inf")
    return began, span.id.int


def _sum(numbers: Iterable[int | None]) -> int | None:
    known = [number for number in numbers if number is not None]
    return sum(known) if known else None
