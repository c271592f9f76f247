"""How far work is, computed from its rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Count, QuerySet, Sum

from agents.gateway.models import Call
from approvals.models import Request
from factory.work import rules
from factory.work.models import Attempt, Dag, Dependency, Task
from factory.work.rules.summary import critical_path, remaining_cost

MOST_SHOWN = 50
LOOK_BACK = 500
"""How many completed tasks of a sort say what it usually costs."""


@dataclass(frozen=True)
class Blocker:
    """One task that holds others up, and why."""

    task: UUID
    key: str
    title: str
    state: str
    why: str


@dataclass(frozen=True)
class Summary:
    """How far some graphs are.

    Attributes:
        counts: tasks by state.
        remaining_microusd: estimate for open tasks; None: nothing is known.
        unknown_tasks: open tasks of a sort that was never completed before.
        critical_path: ids of open tasks, first to last.
    """

    counts: Mapping[str, int]
    spent_microusd: int
    remaining_microusd: int | None
    unknown_tasks: int
    critical_path: tuple[UUID, ...]
    blockers: tuple[Blocker, ...]


def summarize(graphs: "QuerySet[Dag]") -> Summary:
    """Return how far these graphs are. Source: R-01.21, R-04.22."""
    tasks = Task.objects.filter(dag__in=graphs)
    still = list(tasks.open().values_list("pk", "type", "agent"))
    ids = {pk for pk, _, _ in still}
    edges: dict[UUID, set[UUID]] = {pk: set() for pk in ids}
    links = Dependency.objects.filter(task__dag__in=graphs).exclude(depends_on__state__in=rules.FINAL)
    for task, earlier in links.values_list("task", "depends_on"):
        if task in ids and earlier in ids:
            edges[task].add(earlier)
    sorts = [(kind, agent) for _, kind, agent in still]
    remaining, unknown = remaining_cost(sorts, usual=_usual_costs(set(sorts)))
    attempts = Attempt.objects.filter(task__dag__in=graphs).values("pk")
    return Summary(
        counts=dict(tasks.order_by().values_list("state").annotate(n=Count("pk"))),
        spent_microusd=Call.objects.filter(assignment_id__in=attempts).total_microusd(),
        remaining_microusd=remaining,
        unknown_tasks=unknown,
        critical_path=tuple(critical_path(edges)),
        blockers=_blockers(tasks),
    )


def _usual_costs(sorts: set[tuple[str, UUID | None]]) -> dict[tuple[str, UUID | None], float]:
    """Return the mean cost of the last completed tasks of each sort, failed attempts included."""
    usual = {}
    for kind, agent in sorts:
        done = Task.objects.filter(state=Task.State.COMPLETED, type=kind, agent=agent).order_by("-pk")
        last = list(done.values_list("pk", flat=True)[:LOOK_BACK])
        if last:
            attempts = Attempt.objects.filter(task__in=last).values("pk")
            cost = Call.objects.filter(assignment_id__in=attempts).aggregate(total=Sum("cost_microusd"))[
                "total"
            ]
            usual[kind, agent] = (cost or 0) / len(last)
    return usual


def _blockers(tasks: "QuerySet[Task]") -> tuple[Blocker, ...]:
    """Return the tasks that wait for a person, and those that were cancelled while others wait behind them."""
    asking = tasks.filter(state=Task.State.WAITING, question__isnull=False)
    given_up = tasks.filter(state=Task.State.DEAD_LETTER)
    gone = tasks.filter(state=Task.State.CANCELLED, dependents__task__state=Task.State.PENDING).distinct()
    rows = [*asking[:MOST_SHOWN], *given_up[:MOST_SHOWN], *gone[:MOST_SHOWN]]
    asked = dict(
        Request.objects.filter(pk__in=[task.question for task in rows if task.question]).values_list(
            "pk", "title"
        )
    )
    failed = Attempt.objects.filter(task__in=[task.pk for task in rows]).exclude(error="").order_by("n")
    errors = dict(failed.values_list("task", "error"))
    return tuple(
        Blocker(task.pk, task.key, task.title, task.state, _why(task, asked=asked, errors=errors))
        for task in rows
    )


def _why(task: Task, *, asked: Mapping[UUID, str], errors: Mapping[UUID, str]) -> str:
    if task.question is not None:
        return asked.get(task.question, "")
    return "it was cancelled" if task.state == Task.State.CANCELLED else errors.get(task.pk, "")
