"""The trace of a story, from the rows that exist: a page of it at a time."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from agents.gateway.models import Call
from agents.runtime.models import Session, ToolCall, Turn
from factory.insight.rules.spans import Span
from factory.insight.services.spans import Rows, tree_of
from factory.quality.models import Verdict
from factory.work.models import Attempt, Dag, Task
from portfolio.models import Product

MOST_SPANS: Final = 1_000
"""So many are on one page, or what belongs to a single task."""
MOST_OF_A_TASK: Final = 5_000


@dataclass(frozen=True)
class Trace:
    """One page of a story.

    Attributes:
        spans: in order, each behind its parent; the first is the story itself.
        total: spans of the whole story, on whatever page.
        lost: spans of the whole story whose parent is not known.
        page, pages: from 1.
        calls, cost_microusd: of the whole story.
    """

    id: UUID
    title: str
    product: Product | None
    spans: tuple[Span, ...]
    total: int
    lost: int
    page: int
    pages: int
    calls: int
    cost_microusd: int

    @property
    def began_at(self) -> datetime | None:
        """When the first thing on this page began."""
        return min((span.started_at for span in self.spans if span.started_at), default=None)


@dataclass(frozen=True)
class _Sizes:
    """How many spans each task has, itself counted, and what hangs under none."""

    tasks: Mapping[UUID, int]
    loose: tuple[UUID, ...]
    lost_sessions: int

    @property
    def total(self) -> int:
        return sum(self.tasks.values()) + len(self.loose)


def trace_of(story: UUID, *, page: int = 1, task_id: UUID | None = None) -> Trace | None:
    """Return one page of the trace of a story, or of one task in it; None: nothing belongs to it.

    Args:
        story: the correlation id.
        page: from 1; one that is not there is the last.
        task_id: this task alone, whole.
    """
    graphs = list(
        Dag.objects.filter(correlation_id=story).select_related("product").order_by("created_at", "pk")
    )
    calls = Call.objects.of_story(story)
    sizes = _sizes(story)
    if not graphs and not sizes.loose:
        return None
    leaves = _leaves(sizes.tasks) if task_id is None else [[one for one in sizes.tasks if one == task_id]]
    place = min(max(1, page), len(leaves))
    is_last = place == len(leaves) and task_id is None
    root = _root(story, graphs)
    rows = _rows(graphs, leaves[place - 1], loose=sizes.loose if is_last else ())
    return Trace(
        id=story,
        title=root.name,
        product=next((one.product for one in graphs if one.product), None),
        spans=tree_of(root, rows),
        total=1 + len(graphs) + sizes.total,
        lost=len(sizes.loose) + sizes.lost_sessions,
        page=place,
        pages=len(leaves),
        calls=calls.count(),
        cost_microusd=calls.total_microusd(),
    )


def _root(story: UUID, graphs: Sequence[Dag]) -> Span:
    product = next((one.product for one in graphs if one.product), None)
    name = product.name if product else graphs[0].title if graphs else "Calls of no graph"
    began = min((one.created_at for one in graphs), default=None)
    is_over = bool(graphs) and all(one.closed_at for one in graphs)
    ended = max(one.closed_at for one in graphs if one.closed_at) if is_over else None
    return Span(id=story, kind="objective", name=name, started_at=began, ended_at=ended)


def _sizes(story: UUID) -> _Sizes:
    tasks = Task.objects.filter(dag__correlation_id=story)
    ours = tasks.order_by().values("pk")
    task_of = dict(
        Attempt.objects.filter(task__dag__correlation_id=story).order_by().values_list("pk", "task_id")
    )
    sizes = Counter(
        dict.fromkeys(tasks.order_by("dag__created_at", "dag_id", "pk").values_list("pk", flat=True), 1)
    )
    sizes.update(task_of.values())
    turns = Turn.objects.filter(session__reuse_key__in=ours).order_by()
    uses = ToolCall.objects.filter(turn__session__reuse_key__in=ours).order_by()
    sizes.update(_counted(turns, "session__reuse_key"))
    sizes.update(_counted(uses, "turn__session__reuse_key"))
    loose = []
    for pk, assignment_id in Call.objects.of_story(story).values_list("pk", "assignment_id"):
        if task_id := task_of.get(assignment_id):
            sizes[task_id] += 1
        else:
            loose.append(pk)
    lost = _lost(story).values_list("reuse_key", flat=True)
    sizes.update(lost)
    return _Sizes(sizes, tuple(loose), len(lost))


def _lost(story: UUID) -> QuerySet[Session]:
    """Sessions of tasks of this story whose attempt is not known."""
    ours = Task.objects.filter(dag__correlation_id=story).values("pk")
    known = Attempt.objects.filter(task__dag__correlation_id=story).values("pk")
    return Session.objects.filter(reuse_key__in=ours).exclude(assignment_id__in=known)


def _counted(rows: QuerySet[Any], name: str) -> dict[UUID, int]:
    return dict(rows.values_list(name).annotate(n=Count("pk")))


def _leaves(sizes: Mapping[UUID, int]) -> list[list[UUID]]:
    """Split the tasks into pages; a page is full when one more task would not fit."""
    leaves: list[list[UUID]] = [[]]
    room = MOST_SPANS
    for task_id, size in sizes.items():
        if size > room and leaves[-1]:
            leaves.append([])
            room = MOST_SPANS
        leaves[-1].append(task_id)
        room -= size
    return leaves


def _rows(graphs: Sequence[Dag], task_ids: Collection[UUID], *, loose: Sequence[UUID]) -> Rows:
    tasks = list(Task.objects.filter(pk__in=task_ids).select_related("agent").order_by("created_at", "pk"))
    shown = {task.dag_id for task in tasks}
    attempts = Attempt.objects.filter(task__in=task_ids).select_related("agent").order_by("claimed_at", "pk")
    sessions = Session.objects.filter(reuse_key__in=task_ids)
    turns = Turn.objects.filter(session__reuse_key__in=task_ids).defer("text").order_by("at", "number")
    uses = ToolCall.objects.filter(turn__session__reuse_key__in=task_ids).defer("result").order_by("pk")
    assigned = Attempt.objects.filter(task__in=task_ids).values("pk")
    calls = Call.objects.filter(Q(assignment_id__in=assigned) | Q(pk__in=loose[:MOST_SPANS]))
    return Rows(
        graphs=[graph for graph in graphs if graph.pk in shown],
        tasks=tasks,
        attempts=list(attempts),
        sessions=list(sessions.select_related("agent", "agent_version")),
        turns=list(turns[:MOST_OF_A_TASK]),
        uses=list(uses[:MOST_OF_A_TASK]),
        calls=list(calls.select_related("model").order_by("started_at", "pk")[:MOST_OF_A_TASK]),
        scores=_scores(task_ids),
    )


def _scores(task_ids: Collection[UUID]) -> dict[UUID, float]:
    """What the last verdict said of what each attempt made."""
    judged = Verdict.objects.filter(artifact__attempt__task__in=task_ids).order_by("at", "pk")
    return {made: float(passed) for made, passed in judged.values_list("artifact__attempt_id", "passed")}
