"""Lines and limits: who has one, how many places there are, what is kept out of the line and comes back."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from agents.roster.models import Agent
from core.errors import BadArguments, NotFound
from core.services import audit, business_now, machine_now, publish
from factory.work import rules
from factory.work.models import Lane, Permit, Queue, Task
from factory.work.services.tasks import lift_due, lock_task

AT_ONCE: Final = 5_000
"""How many places one call rewrites at most; the next call goes on."""
QUEUE_PERMITS: Final = {Queue.Name.BUILD: 3}
"""How many attempts of a queue may run at once in a fresh factory; the others are not limited. Source: R-01.13."""


def open_lanes(agents: Iterable[Agent], *, queues: Iterable[str]) -> None:
    """Let tasks of these agents and queues have a line to stand in. Safe to run twice."""
    wanted = {Lane.QUICK: None, Lane.JOB: None} | {agent.pk.hex: agent for agent in agents}
    known = set(Lane.objects.filter(name__in=wanted).values_list("name", flat=True))
    for name in wanted.keys() - known:
        _open_lane(name, agent=wanted[name])
    names = set(queues)
    for queue in names - set(Queue.objects.filter(name__in=names).values_list("name", flat=True)):
        Queue.objects.bulk_create([Queue(name=queue)], ignore_conflicts=True)
        if places := QUEUE_PERMITS.get(Queue.Name(queue)):
            set_permits(f"queue:{queue}", places=places, reserved=1)


def _open_lane(name: str, *, agent: Agent | None) -> None:
    if agent is not None:
        set_permits(f"agent:{name}", places=agent.definition.limits.max_parallel)
    lane = Lane(name=name, agent=agent, model=agent.definition.preferred_model[:80] if agent else "")
    Lane.objects.bulk_create([lane], ignore_conflicts=True)


def sync_lanes() -> int:
    """Let lines and limits follow what the agents' files say now; return how many agents. Safe to run twice."""
    agents = list(Agent.objects.select_related("version"))
    open_lanes(agents, queues=Queue.Name.values)
    for agent in agents:
        set_permits(f"agent:{agent.pk.hex}", places=agent.definition.limits.max_parallel)
        model = agent.definition.preferred_model[:80]
        Lane.objects.filter(agent=agent).exclude(model=model).update(model=model)
    return len(agents)


@transaction.atomic
def set_permits(scope: str, *, places: int, reserved: int = 0) -> None:
    """Let at most `places` attempts run under this limit, and `reserved` more of critical work.

    May be called at any time: who holds a place that is gone keeps it to the end of the attempt. Safe to run twice.

    Args:
        scope: `agent:<lane>`, `model:<name>` or `queue:<name>`.
        places: for any work.
        reserved: for work with a priority below 10 alone.
    """
    if places < 0 or reserved < 0:
        raise BadArguments(scope=scope, places=places, reserved=reserved)
    size = places + reserved
    rows = {
        permit.n: permit for permit in Permit.objects.select_for_update().filter(scope=scope).order_by("n")
    }
    wanted = {n: n > places for n in range(1, size + 1)}
    fresh = [Permit(scope=scope, n=n, is_reserved=kept) for n, kept in wanted.items() if n not in rows]
    if not size and not rows:
        fresh = [Permit(scope=scope, n=1, is_open=False)]
    Permit.objects.bulk_create(fresh, ignore_conflicts=True)
    for n, row in rows.items():
        if (row.is_open, row.is_reserved) != (n in wanted, wanted.get(n, False)):
            Permit.objects.filter(pk=row.pk).update(is_open=n in wanted, is_reserved=wanted.get(n, False))


@transaction.atomic
def lift_limit(scope: str) -> None:
    """Let any number of attempts run under this scope from now on. Safe to run twice."""
    Permit.objects.filter(scope=scope).delete()


@transaction.atomic
def pause_queue(name: str, *, by: str) -> None:
    """Let no task of this queue be claimed once this is committed; what runs goes on. Safe to run twice."""
    open_lanes((), queues=[name])
    if Queue.objects.filter(name=name, is_paused=False).update(is_paused=True):
        audit(actor=by, verb="work.pause_queue", subject=name)


@transaction.atomic
def unpause_queue(name: str, *, by: str) -> None:
    """Let tasks of this queue be claimed again. Safe to run twice."""
    if Queue.objects.filter(name=name, is_paused=True).update(is_paused=False):
        audit(actor=by, verb="work.unpause_queue", subject=name)
        publish("work.queue_unpaused", queue=name)


@transaction.atomic
def hold_task(task_id: UUID, *, why: str) -> bool:
    """Keep a ready task out of the line until `let_go`; False when it is not ready or is held for another reason.

    Args:
        task_id: which one.
        why: a code, e.g. `question:<request id>`; `words_for` says it to people.
    """
    task = lock_task(pk=task_id, state=Task.State.READY)
    mine = Task.objects.filter(Q(held="") | Q(held=why), pk=task_id, state=Task.State.READY)
    return task is not None and mine.update(held=why) == 1


@transaction.atomic
def let_go(task_id: UUID, *, why: str) -> bool:
    """Put a task held for this reason back into the line; False when it is not held for it."""
    return Task.objects.filter(pk=task_id, held=why).update(held="") == 1


@transaction.atomic
def change_priority(task_id: UUID, *, priority: int, by: str) -> None:
    """Give a task another place in line, from 0 (urgent) to 100. Safe to run twice.

    Raises:
        NotFound: no such task.
        BadArguments: no such priority.
    """
    if not 0 <= priority <= 100:
        raise BadArguments(priority=priority, allowed="0 to 100")
    task = lock_task(pk=task_id)
    if task is None:
        raise NotFound(task=task_id)
    if task.priority != priority:
        audit(actor=by, verb="work.change_priority", subject=task.title, old=task.priority, new=priority)
        task.priority = priority
        Task.objects.filter(pk=task_id).update(priority=priority)
        lift_due(task)


def age_line() -> int:
    """Write into the line what time changes: who was lifted to the floor, whose due time came nearer. Safe to run twice.

    Everything else grows older alike; a place is rewritten when it is a point or more away. Source: R-04.9.
    """
    ready = Task.objects.claimable()
    minute = machine_now().timestamp() / 60
    lifted = ready.filter(
        priority__gte=rules.URGENT, rank__gt=-rules.FLOOR / 2, rank__lte=rules.lifted_below(minute)
    )
    count = 0
    for task in lifted.only("ready_at", "created_at", "rank")[:AT_ONCE]:
        since = task.ready_at or task.created_at
        count += ready.filter(pk=task.pk).update(rank=rules.floor_rank(since.timestamp() / 60))
    soon = business_now() + timedelta(hours=rules.DUE_H)
    for task in ready.filter(due_at__lte=soon, priority__gt=0).order_by("due_at")[:AT_ONCE]:
        count += lift_due(task)
    return count
