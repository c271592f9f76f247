"""A task grows children while it runs: under its fence, out of its budget, the same children every time."""

from collections.abc import Sequence
from uuid import UUID

from django.db import transaction

from billing.errors import BudgetExceeded
from billing.rules import headroom
from billing.services import open_windows
from core.ids import story_of
from core.money import in_words
from core.registry import Outcome, TaskSpec
from core.services import business_now, publish
from factory.work import rules
from factory.work.errors import GraphRefused, LeaseLost, OutcomeRefused
from factory.work.models import Attempt, Dependency, Task
from factory.work.rules import Origin
from factory.work.services.admission import ancestors_of
from factory.work.services.artifacts import store_artifacts
from factory.work.services.graphs import checked_agents, start_tasks, tasks_of
from factory.work.services.growth import link_tasks
from factory.work.services.pressure import require_room
from factory.work.services.results import close_attempt
from factory.work.services.tasks import change_task, lock_task


def wait_for_children(attempt: Attempt, outcome: Outcome) -> None:
    """Let the task of an attempt wait without a worker until its children are done; the caller holds its fence.

    Its next attempt gets the same brief, arguments and upstream results, and the children's results beside them.

    Raises:
        GraphRefused, BudgetExceeded, QueueFull: it may not have these children.
        OutcomeRefused: there is nothing to wait for, so the next attempt would end here again.
    """
    task = attempt.task
    store_artifacts(attempt, outcome.artifacts)
    children = add_children(task, outcome.children, by=_name_of(attempt))
    waited_for = _hold_up(task, children)
    if not waited_for:
        raise OutcomeRefused(kind=outcome.kind, why="all these children are done")
    close_attempt(attempt, state=Attempt.State.WAITING)
    reason = f"waits for {waited_for} of its children"
    change_task(
        task, to=Task.State.WAITING, actor=attempt.worker, reason=reason, open_dependencies=waited_for
    )


@transaction.atomic
def spawn_children(assignment_id: UUID, children: Sequence[TaskSpec]) -> list[Task]:
    """Give a running attempt's task children that it does not wait for; return them, also those it had. Source: R-04.7.

    Raises:
        LeaseLost: the task is no longer this attempt's.
        GraphRefused, CycleDetected, BudgetExceeded, QueueFull: it may not have these children; none was made.
    """
    task = lock_task(lease=assignment_id, state=Task.State.RUNNING)
    if task is None:
        raise LeaseLost(attempt=assignment_id)
    attempt = Attempt.objects.select_related("agent").get(pk=assignment_id)
    return add_children(task, children, by=_name_of(attempt))


def _name_of(attempt: Attempt) -> str:
    return f"agent:{attempt.agent.name}" if attempt.agent else f"job:{attempt.task.kind}"


def add_children(task: Task, children: Sequence[TaskSpec], *, by: str) -> list[Task]:
    """Make the children that `task` does not have yet, all or none; its graph and itself are locked by the caller."""
    if not children:
        raise OutcomeRefused(kind="wants_children", missing="children")
    wanted = rules.named_below(task.key, children)
    there = {child.key: child for child in task.children.select_for_update(of=("self",)).order_by("id")}
    if faults := rules.children_faults(wanted, known=there.keys(), depth=task.depth + 1):
        raise GraphRefused(faults="; ".join(faults))
    fresh = [spec for spec in wanted if spec.key not in there]
    made = _make(task, fresh, there=there, by=by) if fresh else {}
    return [{**there, **made}[spec.key] for spec in wanted]


def _make(task: Task, fresh: Sequence[TaskSpec], *, there: dict[str, Task], by: str) -> dict[str, Task]:
    dag, known = task.dag, task.dag.tasks.values_list("key", flat=True)
    agents = checked_agents(fresh, known=known)
    require_room(len(fresh), origin=Origin(Task.Source.AGENT, by), product=dag.product)
    paid = _within_budget(task, fresh)
    with story_of(dag.correlation_id):
        made = tasks_of(paid, dag=dag, agents=agents, behind={})
        for child in made.values():
            child.parent, child.depth, child.source, child.created_by = (
                task,
                task.depth + 1,
                Task.Source.AGENT,
                by[:80],
            )
        link_tasks(paid, added=made, there=there)
        publish("work.graph_extended", dag_id=str(dag.pk), tasks=len(made))
        start_tasks(made.values())
    return made


def _within_budget(task: Task, fresh: Sequence[TaskSpec]) -> list[TaskSpec]:
    """Children draw on their parent's window, and all of them together fit into what is left of it. Source: U-5."""
    still_open = task.children.open().values_list("scope_id", flat=True)
    promised = sum(_left_of([scope_id]) for scope_id in still_open)
    left = _left_of([task.scope_id, *ancestors_of(task)]) - promised
    named = sum(spec.max_cost_microusd or 0 for spec in fresh)
    if named > left:
        raise BudgetExceeded(
            layer=f"the task {task.title}", needed=in_words(named), left=in_words(max(0, left))
        )
    return rules.shares(fresh, left_microusd=max(0, left))


def _left_of(scopes: Sequence[UUID]) -> int:
    return headroom(window.room for window in open_windows(scopes, moment=business_now()))


def _hold_up(task: Task, children: Sequence[Task]) -> int:
    """Let `task` wait for these children; return for how many."""
    Dependency.objects.bulk_create(
        [Dependency(task=task, depends_on=child) for child in children], ignore_conflicts=True
    )
    return sum(child.holds_up for child in children)
