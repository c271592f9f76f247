"""Ways out: what the owner does with a task that was given up, and cancelling, which always works."""

from collections.abc import Sequence
from itertools import chain
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from approvals.services import withdraw_request
from core.errors import NotFound
from core.services import audit
from factory.work.errors import PoisonedTask
from factory.work.models import Attempt, Dag, DeadLetter, Task
from factory.work.services.graphs import settle_graph
from factory.work.services.results import close_attempt
from factory.work.services.tasks import change_task, lock_graph, lock_task, ready_task


@transaction.atomic
def retry_dead_letter(letter_id: UUID, *, by: str, note: str = "", brief: str = "") -> None:
    """Put a task that was given up back into the queue, with a new brief where one is given.

    Raises:
        NotFound: no such open letter.
        PoisonedTask: it must be changed first.
    """
    letter = DeadLetter.objects.filter(pk=letter_id, resolution="").first()
    task = lock_task(dead_letters=letter_id, state=Task.State.DEAD_LETTER)
    if letter is None or task is None:
        raise NotFound(dead_letter=letter_id)
    if letter.is_poison and not brief:
        raise PoisonedTask(task=task.title)
    choice = DeadLetter.Resolution.CHANGED if brief else DeadLetter.Resolution.RETRIED
    resolve_letter(task, choice=choice, by=by, note=note)
    changed = {"brief": brief} if brief else {}
    ready_task(task, actor=by, reason=note or choice.label, failures=0, unstarted=0, **changed)
    settle_graph(task.dag_id)


@transaction.atomic
def cancel_task(task_id: UUID, *, by: str, reason: str = "", with_dependents: bool = False) -> None:
    """End a task wherever it stands; its worker stops at the next look. Safe to run twice.

    Its children end with it. `with_dependents`, whatever waits for it, near or far, ends too; else it stays pending and
    visible.
    """
    task = lock_task(pk=task_id)
    if task is None:
        raise NotFound(task=task_id)
    links = {"parent": True, "dependencies__depends_on": with_dependents}
    for one in _reached_from(task, links=[name for name, is_followed in links.items() if is_followed]):
        _cancel(one, by=by, reason=reason)
    settle_graph(task.dag_id)


@transaction.atomic
def cancel_graph(dag_id: UUID, *, by: str, reason: str = "") -> None:
    """End every task of a graph that is not over. Safe to run twice."""
    if not Dag.objects.filter(pk=dag_id).exists():
        raise NotFound(graph=dag_id)
    lock_graph(dag_id)
    rows = Task.objects.select_for_update(of=("self",)).select_related("dag")
    for task in rows.filter(dag_id=dag_id).open().order_by("id"):
        _cancel(task, by=by, reason=reason)
    settle_graph(dag_id)


def _reached_from(task: Task, *, links: Sequence[str]) -> list[Task]:
    """The graph's row is locked, so it does not grow during the walk."""
    reached, fresh = {task.pk}, {task.pk}
    while fresh:
        behind = (
            Task.objects.filter(**{f"{link}__in": fresh}).values_list("pk", flat=True) for link in links
        )
        fresh = set(chain.from_iterable(behind)) - reached
        reached |= fresh
    rows = Task.objects.select_for_update(of=("self",)).select_related("dag")
    return list(rows.filter(pk__in=reached).order_by("id"))


def _cancel(task: Task, *, by: str, reason: str) -> None:
    if task.is_final:
        return
    if task.open_question is not None:
        withdraw_request(task.open_question, by=by, reason=reason or "the task was cancelled")
    for attempt in task.attempts.filter(state=Attempt.State.OPEN).select_related("task__dag"):
        close_attempt(attempt, state=Attempt.State.CANCELLED)
    task.attempts.filter(state=Attempt.State.OFFERED).update(state=Attempt.State.CANCELLED)
    resolve_letter(task, choice=DeadLetter.Resolution.CANCELLED, by=by, note=reason)
    change_task(task, to=Task.State.CANCELLED, actor=by, reason=reason)


def resolve_letter(task: Task, *, choice: str, by: str, note: str) -> None:
    """Write down what the owner chose about the open letter of `task`, if there is one."""
    letters = task.dead_letters.filter(resolution="")
    resolved = {"resolution": choice, "resolved_by": by[:80], "resolved_at": timezone.now(), "note": note}
    if letters.update(**resolved):
        audit(actor=by, verb="work.resolve_dead_letter", subject=task.title, choice=choice, note=note)
