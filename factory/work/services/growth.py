"""A graph grows while it runs: new tasks behind old ones, and a task not begun that now waits for them as well."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from django.db import transaction
from django.db.models import F

from core.ids import story_of
from core.services import publish
from factory.work.errors import GraphRefused
from factory.work.models import Dag, Dependency, Task
from factory.work.rules import TaskSpec
from factory.work.services.graphs import check_circles, checked_agents, settle_graph, start_tasks, tasks_of
from factory.work.services.tasks import lock_graph


@transaction.atomic
def extend_graph(dag: Dag, *, tasks: Sequence[TaskSpec], before: str = "") -> None:
    """Add tasks to a graph, all or none; tasks already there under their keys are left as they are.

    Args:
        dag: the graph, which must not be closed.
        tasks: may wait for each other and for tasks that are there; a finished one counts as done.
        before: key of a task that is still pending; it waits from now on for every new task too that no new one waits for.

    Raises:
        GraphRefused: names every fault; nothing was added.
        CycleDetected: lists one circle; nothing was added.
    """
    dag = lock_graph(dag.pk)
    there = {task.key: task for task in dag.tasks.select_for_update().select_related("dag").order_by("id")}
    fresh = [spec for spec in tasks if spec.key not in there]
    if not fresh:
        return
    agents = checked_agents(fresh, known=there.keys())
    ends = {spec.key for spec in fresh} - {key for spec in fresh for key in spec.after}
    _check_place(dag, there=there, before=before)
    check_circles(_edges_after(dag, fresh=fresh, more={before: ends} if before else {}))
    with story_of(dag.correlation_id):
        added = tasks_of(fresh, dag=dag, agents=agents, behind={})
        link_tasks(fresh, added=added, there=there)
        if before:
            _hold_up(there[before], [added[key] for key in sorted(ends)])
        publish("work.graph_extended", dag_id=str(dag.pk), tasks=len(added))
        start_tasks(added.values())
    settle_graph(dag.pk)


def _check_place(dag: Dag, *, there: Mapping[str, Task], before: str) -> None:
    if dag.closed_at is not None:
        raise GraphRefused(faults=f"the graph is {dag.state}")
    if before and (before not in there or there[before].state != Task.State.PENDING):
        raise GraphRefused(faults=f"{before} is not there or is no longer pending")


def _edges_after(
    dag: Dag, *, fresh: Sequence[TaskSpec], more: dict[str, set[str]]
) -> dict[str, frozenset[str]]:
    """Return who waits for whom once the new tasks are there."""
    edges: defaultdict[str, set[str]] = defaultdict(set)
    stored = Dependency.objects.filter(task__dag=dag).values_list("task__key", "depends_on__key")
    for key, earlier in stored:
        edges[key].add(earlier)
    for key, waits_for in ({spec.key: set(spec.after) for spec in fresh} | more).items():
        edges[key] |= waits_for
    return {key: frozenset(waits_for) for key, waits_for in edges.items()}


def link_tasks(fresh: Sequence[TaskSpec], *, added: Mapping[str, Task], there: Mapping[str, Task]) -> None:
    """Store the new tasks and what they wait for; what is completed or left out already holds nobody up."""
    everyone = {**there, **added}
    for spec in fresh:
        earlier = [everyone[key] for key in set(spec.after)]
        added[spec.key].open_dependencies = sum(task.holds_up for task in earlier)
    Task.objects.bulk_create(added.values())
    Dependency.objects.bulk_create(
        Dependency(task=added[spec.key], depends_on=everyone[key])
        for spec in fresh
        for key in sorted(set(spec.after))
    )


def _hold_up(task: Task, ends: Sequence[Task]) -> None:
    Dependency.objects.bulk_create(Dependency(task=task, depends_on=one) for one in ends)
    Task.objects.filter(pk=task.pk).update(open_dependencies=F("open_dependencies") + len(ends))
