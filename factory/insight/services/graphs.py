"""Graphs of tasks as people follow them: steps in the order they can run, what each waits for, its tries and costs."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final
from uuid import UUID

from django.db.models import Count, OuterRef, Q, Subquery, Sum

from agents.gateway.models import Call
from billing.models import Limit, Period
from core.adapters.questions import Question, prepared
from factory.work.models import Attempt, Dag, DeadLetter, Dependency, Task
from portfolio.models import Product

MOST_GRAPHS: Final = 20
MOST_STEPS: Final = 200
"""So many steps of a graph are shown; the rest is counted."""
_SHOWN: Final = ("dag", "scope", "title", "state", "question", "is_left_out", "brief", "agent__name")
"""What drawings, lists of steps and the ways out of a failed one show."""
_TRIED: Final = ("task", "n", "state", "error", "claimed_at", "started_at", "ended_at", "agent__name")
_CUT: Final = (Task.State.CANCELLED, Task.State.DEAD_LETTER)


@dataclass(frozen=True)
class Try:
    """One attempt at a task; its cost is None when it asked no model."""

    attempt: Attempt
    cost_microusd: int | None
    model: str


@dataclass(frozen=True)
class Step:
    """One task of a graph.

    Attributes:
        number: its place in the list.
        needs: ids of the steps it waits for.
        after: their numbers, in words.
        is_cut: it cannot start, because one of them gave up or was cancelled.
    """

    number: int
    task: Task
    needs: tuple[UUID, ...]
    after: str
    is_cut: bool
    tries: tuple[Try, ...]

    @cached_property
    def cost_microusd(self) -> int | None:
        """What all its tries cost; None: none of them asked a model."""
        return cost_of(self.tries)

    @cached_property
    def seconds(self) -> float | None:
        """How long all its tries worked; None: none has ended."""
        worked = [one.attempt.worked_s for one in self.tries if one.attempt.ended_at]
        return sum(worked) if worked else None

    @property
    def last_session(self) -> UUID | None:
        """The newest attempt, whose session tells most; None: nobody has begun."""
        return self.tries[-1].attempt.pk if self.tries else None


@dataclass(frozen=True)
class Graph:
    """One graph with its steps; `hidden` counts the steps that are not shown."""

    dag: Dag
    steps: tuple[Step, ...]
    hidden: int = 0

    @property
    def done(self) -> int:
        """How many steps are over and accepted."""
        return sum(one.task.state == Task.State.COMPLETED for one in self.steps)

    @property
    def gave_up(self) -> int:
        """How many steps the factory gave up."""
        return sum(one.task.state == Task.State.DEAD_LETTER for one in self.steps)

    @property
    def cut(self) -> tuple[Step, ...]:
        """The steps that cannot start."""
        return tuple(one for one in self.steps if one.is_cut)

    @property
    def waits_for_you(self) -> int:
        """How many steps wait for an answer."""
        return sum(
            one.task.state == Task.State.WAITING and one.task.question is not None for one in self.steps
        )

    @property
    def cost_microusd(self) -> int:
        """What its steps cost so far."""
        return sum(one.cost_microusd or 0 for one in self.steps)

    @property
    def worked_s(self) -> float:
        """How long its steps worked, together."""
        return sum(one.seconds or 0.0 for one in self.steps)

    @property
    def is_open(self) -> bool:
        """Whether anything in it is still to be done."""
        return self.dag.state not in (Dag.State.COMPLETED, Dag.State.CANCELLED)


@dataclass(frozen=True)
class Progress:
    """How many steps of one graph are done."""

    dag: Dag
    steps: int
    done: int


@dataclass(frozen=True)
class GraphLine(Progress):
    """One graph in a list, with what its steps cost."""

    cost_microusd: int


_STEPS: Final = Task.objects.select_related("agent").only(*_SHOWN).order_by("-behind", "created_at", "pk")
_EDGES: Final = Dependency.objects.order_by("pk").values_list("task_id", "depends_on_id")
_CALLS: Final = Call.objects.filter(assignment_id=OuterRef("pk")).order_by()
_PAID: Final = Subquery(_CALLS.values("assignment_id").annotate(total=Sum("cost_microusd")).values("total"))
_TRIES: Final = (
    Attempt.objects.select_related("agent")
    .only(*_TRIED)
    .order_by("n")
    .annotate(paid=_PAID, asked=Subquery(_CALLS.order_by("-started_at").values("model__name")[:1]))
)


def graphs_of(dags: Iterable[Dag]) -> tuple[Graph, ...]:
    """Return these graphs with their steps, in the order given; three queries, however many there are."""
    dags = list(dags)
    by_dag: dict[UUID, list[Task]] = defaultdict(list)
    for task in _STEPS.filter(dag__in=[dag.pk for dag in dags]):
        by_dag[task.dag_id].append(task)
    shown = {task.pk: task for found in by_dag.values() for task in found[:MOST_STEPS]}
    needs = _needs(dags)
    tries = tries_of(shown)
    return tuple(_graph(dag, by_dag[dag.pk], needs=needs, tries=tries) for dag in dags)


def _needs(dags: list[Dag]) -> dict[UUID, list[UUID]]:
    needs: dict[UUID, list[UUID]] = defaultdict(list)
    for task_id, before in _edges_in([dag.pk for dag in dags]):
        needs[task_id].append(before)
    return needs


@prepared
def _edges_in(dags: list[UUID]) -> Question:
    return _EDGES.filter(task__dag__in=dags)


def tries_of(tasks: Iterable[UUID]) -> dict[UUID, list[Try]]:
    """Return the attempts at each of these tasks in order, without what they returned."""
    tries: dict[UUID, list[Try]] = defaultdict(list)
    for attempt in _TRIES.filter(task__in=list(tasks)):
        more = vars(attempt)
        tries[attempt.task_id].append(Try(attempt, more["paid"], more["asked"] or ""))
    return tries


def cost_of(tries: Iterable[Try]) -> int | None:
    """Return what these tries cost; None: none of them asked a model."""
    known = [one.cost_microusd for one in tries if one.cost_microusd is not None]
    return sum(known) if known else None


def titles_behind(tasks: Iterable[UUID]) -> dict[UUID, list[str]]:
    """Return the titles of the tasks that directly wait for each of these, in the order they can run."""
    edges = Dependency.objects.filter(depends_on__in=list(tasks))
    rows = edges.order_by("-task__behind", "task__created_at", "task_id")
    titles: dict[UUID, list[str]] = defaultdict(list)
    for before, title in rows.values_list("depends_on_id", "task__title"):
        titles[before].append(title)
    return titles


def holds_up(task: Task) -> bool:
    """Whether whatever waits for this task waits in vain."""
    return task.state in _CUT and not task.is_left_out


def _graph(
    dag: Dag, tasks: list[Task], *, needs: Mapping[UUID, list[UUID]], tries: Mapping[UUID, list[Try]]
) -> Graph:
    by_id = {task.pk: task for task in tasks}
    numbers = {task.pk: number for number, task in enumerate(tasks, start=1)}
    steps = tuple(
        Step(
            number=numbers[task.pk],
            task=task,
            needs=tuple(before := [one for one in needs.get(task.pk, ()) if one in numbers]),
            after=", ".join(str(number) for number in sorted(numbers[one] for one in before)),
            is_cut=task.state == Task.State.PENDING and any(holds_up(by_id[one]) for one in before),
            tries=tuple(tries.get(task.pk, ())),
        )
        for task in tasks[:MOST_STEPS]
    )
    return Graph(dag, steps, hidden=max(0, len(tasks) - MOST_STEPS))


_BY_DAG: Final = Task.objects.order_by().values_list("dag")
_IS_DONE: Final = Q(state=Task.State.COMPLETED)
_COUNTS: Final = _BY_DAG.annotate(steps=Count("pk"), done=Count("pk", filter=_IS_DONE))
_OF_TRY: Final = (
    Call.objects.filter(assignment_id=OuterRef("attempts__pk")).order_by().values("assignment_id")
)
_LINES: Final = _BY_DAG.annotate(
    steps=Count("pk", distinct=True),  # a step with three tries stands here three times
    done=Count("pk", filter=_IS_DONE, distinct=True),
    cost=Sum(Subquery(_OF_TRY.annotate(total=Sum("cost_microusd")).values("total"))),
)
_NEWEST: Final = Dag.objects.order_by("-created_at", "-pk")
_OF_ALL: Final = _NEWEST.select_related("product").defer("product__blueprint")


def progress_of(dags: Iterable[Dag]) -> tuple[Progress, ...]:
    """Return how far these graphs are, in the order given; one query, however many there are."""
    dags = list(dags)
    rows = _COUNTS.filter(dag__in=[dag.pk for dag in dags])
    steps = {dag: (number, done) for dag, number, done in rows}
    return tuple(Progress(dag, *steps.get(dag.pk, (0, 0))) for dag in dags)


def graph_lines(dags: Iterable[Dag]) -> tuple[GraphLine, ...]:
    """Return these graphs for a list, in the order given; one query, however many there are."""
    dags = list(dags)
    rows = _lines_of([dag.pk for dag in dags])
    said = {dag: (number, done, cost or 0) for dag, number, done, cost in rows}
    return tuple(GraphLine(dag, *said.get(dag.pk, (0, 0, 0))) for dag in dags)


@prepared
def _lines_of(dags: list[UUID]) -> Question:
    return _LINES.filter(dag__in=dags)


def open_graphs(*, at_most: int = MOST_GRAPHS) -> list[Dag]:
    """Return the graphs in which something is to be done, the newest first."""
    return list(_OF_ALL.filter(closed_at=None)[:at_most])


def closed_graphs(*, at_most: int = MOST_GRAPHS) -> list[Dag]:
    """Return the graphs that are over, the newest first."""
    return list(_OF_ALL.filter(closed_at__isnull=False)[:at_most])


def graphs_for(product: Product, *, at_most: int, over_at_most: int) -> list[Dag]:
    """Return the newest graphs of a product in which something is to be done, and the newest that are over; one query."""
    mine = _NEWEST.filter(product=product.pk)
    opened, over = mine.filter(closed_at=None)[:at_most], mine.filter(closed_at__isnull=False)[:over_at_most]
    found = list(mine.filter(Q(pk__in=opened.values("pk")) | Q(pk__in=over.values("pk"))))
    for dag in found:
        dag.product = product
    return found


@dataclass(frozen=True)
class Cause:
    """Why a graph stands still: a step that gave up or was ended, and what it blocks.

    Attributes:
        letter: of a step that gave up; None: it was ended.
        cap_microusd: what the step may cost in all; None: no such limit.
    """

    step: Step
    blocks: tuple[Step, ...]
    letter: DeadLetter | None
    cap_microusd: int | None


def causes_of(graph: Graph) -> tuple[Cause, ...]:
    """Return what holds a graph up, with the steps that directly wait for it."""
    by_id = {one.task.pk: one for one in graph.steps}
    blocked: dict[UUID, list[Step]] = defaultdict(list)
    for step in graph.cut:
        for before in step.needs:
            if before in by_id and holds_up(by_id[before].task):
                blocked[before].append(step)
    held = [one for one in graph.steps if one.task.pk in blocked or one.task.state == Task.State.DEAD_LETTER]
    tasks = [one.task for one in held]
    letters = {one.task_id: one for one in DeadLetter.objects.filter(task__in=tasks, resolution="")}
    limits = Limit.objects.filter(scope__in=[task.scope_id for task in tasks], period=Period.LIFE)
    caps = dict(limits.values_list("scope", "cap_microusd"))
    return tuple(
        Cause(one, tuple(blocked[one.task.pk]), letters.get(one.task.pk), caps.get(one.task.scope_id))
        for one in held
    )
