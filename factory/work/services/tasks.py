"""The one verb that changes the state of a task, and the words it leaves behind."""

from collections.abc import Iterable, Sequence
from functools import partial
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from core.adapters import wake
from core.ids import story_of
from core.registry import post_of
from core.services import announce, business_now, is_handled, machine_now, publish
from core.states import check_move
from factory.work import rules
from factory.work.errors import TaskChanged
from factory.work.models import Dag, Lane, Task, TaskEvent

PAUSED = "paused"
"""Why ready tasks of a paused graph are held."""


def tell(kind: str, task: Task, /, **facts: str | int | None) -> None:
    """Publish a fact about `task` in the story of its graph, and let open pages look again.

    What happens to every task several times goes into the outbox only for somebody: `TaskEvent` and `Attempt` are
    the record of it.
    """
    if kind in _EVERYDAY and not is_handled(kind):
        announce("work", f"dag:{task.dag_id}")
        return
    with story_of(task.dag.correlation_id):
        publish(kind, task_id=str(task.pk), dag_id=str(task.dag_id), **facts)


_EVERYDAY = frozenset({"work.task_changed", "work.attempt_finished", "work.artifact_added"})


def lock_graph(dag_id: UUID) -> Dag:
    """Return the graph with its row locked until this transaction ends.

    Whoever ends an attempt, moves a task for somebody outside, or changes the graph takes this row before any task
    of it, so that no two of them wait for each other and none overlooks an edge.
    """
    return Dag.objects.select_for_update().get(pk=dag_id)


def lock_task(**which: object) -> Task | None:
    """Return the task with these columns, its graph and then itself locked; None when there is none."""
    dag_id = Task.objects.filter(**which).values_list("dag_id", flat=True).first()
    if dag_id is None:
        return None
    lock_graph(dag_id)
    rows = Task.objects.select_for_update(of=("self",)).select_related("dag__product")
    return rows.filter(**which).first()


@transaction.atomic
def change_task(task: Task, *, to: str, actor: str, reason: str = "", **columns: object) -> None:
    """Change the state of `task` as it was read, together with `columns`, and write down who did it and why. Source: R-04.2.

    What only the old state may hold (lease, question) is let go. `task` shows the new values afterwards.

    Raises:
        IllegalMove: the table has no such change; nothing was written.
        TaskChanged: the row is no longer as it was read; nothing was written.
    """
    check_move(rules.MOVES, old=task.state, new=to)
    old, now = task.state, timezone.now()
    fresh = {"state": to, "version": task.version + 1, "changed_at": now, **_let_go(to), **columns}
    if not Task.objects.filter(pk=task.pk, state=old, version=task.version).update(**fresh):
        raise TaskChanged(task=task.pk)
    for name, value in fresh.items():
        setattr(task, name, value)
    TaskEvent.objects.create(task=task, old=old, new=to, actor=actor, reason=reason[:500], at=now)
    tell("work.task_changed", task, old=old, new=to)


def begin_many(tasks: Sequence[Task], *, to: str, reason: str, **columns: object) -> None:
    """Let tasks that were just made, which nobody else can have seen, enter this state; the same as `change_task`."""
    if not tasks:
        return
    check_move(rules.MOVES, old=Task.State.CREATED, new=to)
    fresh = {"state": to, "version": 1, "changed_at": machine_now(), **columns}
    Task.objects.filter(pk__in=[task.pk for task in tasks], state=Task.State.CREATED).update(**fresh)
    for task in tasks:
        for name, value in fresh.items():
            setattr(task, name, value)
    TaskEvent.objects.bulk_create(
        TaskEvent(task=task, old=Task.State.CREATED, new=to, actor="work", reason=reason) for task in tasks
    )
    announce("work", f"dag:{tasks[0].dag_id}")


def ring_for(queues: Iterable[str]) -> None:
    """Wake workers of these queues once this transaction is committed."""
    if names := set(queues):
        transaction.on_commit(partial(wake.ring, *sorted(names)))


def _let_go(to: str) -> dict[str, object]:
    empty: dict[str, object] = {} if to == Task.State.WAITING else {"question": None}
    if to != Task.State.READY:
        empty["held"] = ""
    if to not in rules.LEASED:
        empty |= {"lease": None, "leased_to": "", "leased_until": None, "run_until": None}
    return empty


def ready_task(task: Task, *, actor: str, reason: str = "", **columns: object) -> None:
    """Put `task` into its line, and write `columns` with it; a paused graph's is kept out."""
    now = machine_now()
    place = rules.rank(
        task.priority, ready_min=now.timestamp() / 60, behind=task.behind, hours_left=hours_left(task)
    )
    held = PAUSED if Dag.objects.filter(pk=task.dag_id, is_paused=True).exists() else ""
    transaction.on_commit(partial(wake.ring, task.queue))
    queued = {"ready_at": now, "rank": place, "not_before": None, "lane": lane_of(task), "held": held}
    change_task(task, to=Task.State.READY, actor=actor, reason=reason, **{**queued, **columns})


def lane_of(task: Task) -> str:
    """Return in which line `task` stands; a quick job that was tried before stands alone, lest it kill its neighbours."""
    if task.agent_id is not None:
        return task.agent_id.hex
    return Lane.QUICK if post_of(task.kind).is_quick and not task.fence else Lane.JOB


def hours_left(task: Task) -> float | None:
    """Return how many hours of business time are left until `task` is due; None: no due time."""
    return (task.due_at - business_now()).total_seconds() / 3_600 if task.due_at else None


def lift_due(task: Task) -> bool:
    """Let the place of a ready task follow its priority and its due time; say whether it moved by a point or more."""
    since = task.ready_at or task.created_at
    place = rules.rank(
        task.priority, ready_min=since.timestamp() / 60, behind=task.behind, hours_left=hours_left(task)
    )
    same = Task.objects.filter(pk=task.pk, state=Task.State.READY, version=task.version)
    away = same.filter(Q(rank__lte=place - 1) | Q(rank__gte=place + 1))
    return away.update(rank=place) == 1
