"""The owner's ways on when a branch of a graph is stuck behind what was given up or cancelled. Source: R-04.25."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F

from agents.roster.models import Agent
from core.errors import BadArguments, NotFound
from core.ids import story_of
from core.registry import Json, TaskSpec, Workspace, check_arguments
from core.services import audit, publish
from factory.work.errors import NothingStuck, PoisonedTask
from factory.work.models import DeadLetter, Dependency, Queue, Task
from factory.work.rules import Origin
from factory.work.services.artifacts import check_size
from factory.work.services.dead_letters import cancel_task, resolve_letter
from factory.work.services.graphs import settle_graph, start_tasks, tasks_of
from factory.work.services.lanes import open_lanes
from factory.work.services.tasks import change_task, lock_task, ready_task

GIVEN = "work.given_result"
"""The kind of the job that offers what the owner gave instead of an attempt."""


@transaction.atomic
def cancel_branch(task_id: UUID, *, by: str, note: str = "") -> None:
    """End a stuck task and everything that waits for it, near or far; the rest of the graph goes on.

    Raises:
        NotFound, NothingStuck: there is no such task, or it is not stuck.
    """
    task = _stuck(task_id)
    cancel_task(task.pk, by=by, reason=note or "the branch was cancelled", with_dependents=True)
    _tell(task, choice="cancel_branch", by=by, note=note)


@transaction.atomic
def continue_without(task_id: UUID, *, by: str, note: str = "") -> None:
    """Leave a stuck task out: whatever waits for it counts it as done, and is told that it was left out.

    Raises:
        NotFound, NothingStuck: there is no such task, or it is not stuck.
    """
    task = _stuck(task_id)
    Task.objects.filter(pk=task.pk).update(is_left_out=True)
    task.is_left_out = True
    if task.state == Task.State.DEAD_LETTER:
        resolve_letter(task, choice=DeadLetter.Resolution.LEFT_OUT, by=by, note=note)
        change_task(task, to=Task.State.CANCELLED, actor=by, reason=note or "the work goes on without it")
    _release_dependents(task, reason=f"{task.title} was left out")
    settle_graph(task.dag_id)
    _tell(task, choice="continue_without", by=by, note=note)


@transaction.atomic
def replace_task(
    task_id: UUID, *, by: str, brief: str = "", agent: str = "", result: Json | None = None, note: str = ""
) -> Task:
    """Put something else in the place of a stuck task: a new brief, another agent, or a result that the owner gives.

    A task that was given up begins anew; in the place of a cancelled one, which is over, stands a new task.

    Raises:
        NotFound, NothingStuck: there is no such task, or it is not stuck.
        PoisonedTask: nothing about it would change.
        BadArguments: nobody knows this agent, or the result does not fit what the task was to answer.
    """
    task = _stuck(task_id)
    if not (brief or agent or result is not None):
        raise PoisonedTask(task=task.title)
    changed = _changes(task, brief=brief, agent=agent, result=result)
    if task.state == Task.State.DEAD_LETTER:
        resolve_letter(task, choice=DeadLetter.Resolution.CHANGED, by=by, note=note)
        _restart(task, changed, by=by, reason=note or "replaced")
    else:
        task = _stand_in(task, changed, by=by)
    settle_graph(task.dag_id)
    _tell(task, choice="replace", by=by, note=note)
    return task


def _release_dependents(task: Task, *, reason: str) -> None:
    """Count a left-out task down in what waits for it; rows are locked in one order."""
    behind = Task.objects.filter(dependencies__depends_on=task)
    for child in behind.select_for_update(of=("self",)).select_related("dag").order_by("id"):
        Task.objects.filter(pk=child.pk).update(open_dependencies=F("open_dependencies") - 1)
        child.refresh_from_db(fields=["open_dependencies"])
        is_waiting = child.state == Task.State.WAITING and child.question is None
        if not child.open_dependencies and (is_waiting or child.state == Task.State.PENDING):
            ready_task(child, actor="work", reason=reason)


def _stuck(task_id: UUID) -> Task:
    task = lock_task(pk=task_id)
    if task is None:
        raise NotFound(task=task_id)
    is_blocking = task.state == Task.State.CANCELLED and not task.is_left_out and _waits(task)
    if task.state != Task.State.DEAD_LETTER and not is_blocking:
        raise NothingStuck(task=task.title, state=task.get_state_display())
    return task


def _waits(task: Task) -> bool:
    """Whether somebody waits for `task`."""
    waiting = (Task.State.PENDING, Task.State.WAITING)
    return Task.objects.filter(dependencies__depends_on=task, state__in=waiting).exists()


def _changes(task: Task, *, brief: str, agent: str, result: Json | None) -> dict[str, Any]:
    """Return the columns that change."""
    if result is not None:
        check_size(result)
        if task.answer_schema is not None:
            check_arguments(task.answer_schema, result)
        return {
            "kind": GIVEN, "arguments": {"given": result}, "agent": None, "validator": "none", "workspace": None,
            "queue": Queue.Name.CONTROL,
        }  # fmt: skip
    changes: dict[str, Any] = {"brief": brief} if brief else {}
    if agent:
        changes["agent"] = Agent.objects.filter(name=agent).first()
        if changes["agent"] is None:
            raise BadArguments(at="agent", expected="the name of an agent", said=agent)
    return changes


def _restart(task: Task, changed: Mapping[str, Any], *, by: str, reason: str) -> None:
    for name, value in changed.items():
        setattr(task, name, value)
    open_lanes([task.agent] if task.agent else [], queues=[task.queue])
    ready_task(task, actor=by, reason=reason, failures=0, unstarted=0, **changed)


def _stand_in(task: Task, changed: Mapping[str, Any], *, by: str) -> Task:
    """Return a new task in the place of a cancelled one: it needs what that needed, and what waited for that waits for it."""
    spec = _spec_of(task)
    agents = {task.agent.name: task.agent} if task.agent else {}
    with story_of(task.dag.correlation_id):
        made = tasks_of([spec], dag=task.dag, agents=agents, behind={spec.key: task.behind})[spec.key]
        origin = Origin(Task.Source.HUMAN, by)
        made.source, made.created_by, made.parent, made.depth = (
            origin.source,
            origin.by[:80],
            task.parent,
            task.depth,
        )
        for name, value in changed.items():
            setattr(made, name, value)
        open_lanes([made.agent] if made.agent else [], queues=[made.queue])
        before = list(Task.objects.filter(dependents__task=task))
        made.open_dependencies = sum(one.holds_up for one in before)
        made.save(force_insert=True)
        Dependency.objects.bulk_create([Dependency(task=made, depends_on=one) for one in before])
        Dependency.objects.filter(depends_on=task).update(depends_on=made)
        publish("work.graph_extended", dag_id=str(task.dag_id), tasks=1)
        start_tasks([made])
    return made


def _spec_of(task: Task) -> TaskSpec:
    taken = set(task.dag.tasks.filter(key__startswith=task.key).values_list("key", flat=True))
    key = next(name for n in range(2, 1_000) if (name := f"{task.key[:70]}-again-{n}") not in taken)
    return TaskSpec(
        key=key, title=task.title, kind=task.kind, agent=task.agent.name if task.agent else "", type=task.type, brief=task.brief,
        arguments=task.arguments, max_cost_microusd=task.max_cost_microusd, may_write=tuple(task.may_write),
        answer_schema=task.answer_schema, validator=task.validator, priority=task.priority, due_at=task.due_at,
        workspace=Workspace(**task.workspace) if task.workspace else None, queue=task.queue,
    )  # fmt: skip


def _tell(task: Task, *, choice: str, by: str, note: str) -> None:
    audit(actor=by, verb=f"work.{choice}", subject=task.title, task_id=str(task.pk), note=note)
