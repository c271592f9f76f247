"""The sweeper: finds what waits for nothing any more, whatever was lost on the way. Source: R-01.24, R-04.27."""

from typing import Final
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from agents.runtime.services import stop_orphans
from approvals.models import Request
from factory.work.models import Dependency, Task, TaskQuerySet
from factory.work.services.failures import fail_task
from factory.work.services.tasks import lock_task, ready_task

_NO_ANSWER: Final = (Request.State.REJECTED, Request.State.EXPIRED, Request.State.WITHDRAWN)


def sweep() -> int:
    """Let tasks go on that wait for nothing, end those whose question got no yes, and close sessions of dead attempts.

    Returns how many it found; all three are zero while nothing was lost. Safe to run twice.
    """
    return _free() + _end_unanswered() + _close_sessions()


def _free() -> int:
    """Ready what has nothing before it that still holds it up."""
    freed = _held_by_nothing().values_list("pk", flat=True)
    return sum(_ready(task_id) for task_id in list(freed))


def _held_by_nothing() -> TaskQuerySet:
    holding = Dependency.objects.filter(task=OuterRef("pk"), depends_on__is_left_out=False).exclude(
        depends_on__state=Task.State.COMPLETED
    )
    waiting = Q(state=Task.State.PENDING) | Q(state=Task.State.WAITING, question=None)
    return Task.objects.filter(waiting, ~Exists(holding))


@transaction.atomic
def _ready(task_id: UUID) -> bool:
    task = lock_task(pk=task_id)
    if task is None or not _held_by_nothing().filter(pk=task_id).exists():
        return False
    ready_task(task, actor="work", reason="it waits for nothing any more", open_dependencies=0)
    return True


def _end_unanswered() -> int:
    """End what waits for a question that is over without a yes: its no could not be carried out."""
    over = Request.objects.filter(state__in=_NO_ANSWER).values("pk")
    waiting = Task.objects.filter(state=Task.State.WAITING, question__in=over)
    return sum(_end(task_id) for task_id in list(waiting.values_list("pk", flat=True)))


@transaction.atomic
def _end(task_id: UUID) -> bool:
    task = lock_task(pk=task_id, state=Task.State.WAITING)
    if task is None or task.question is None:
        return False
    if not Request.objects.filter(pk=task.question, state__in=_NO_ANSWER).exists():
        return False
    fail_task(task, error_class="rejected", error="its question is over, without a yes", actor="work")
    return True


def _close_sessions() -> int:
    return stop_orphans(lambda: frozenset(Task.objects.leased().values_list("lease", flat=True)))
