"""Results: offered by an attempt, accepted or refused by whoever judges them."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from agents.roster.services import revoke_tokens
from core.registry import Json, check_arguments
from factory.work import rules
from factory.work.errors import LeaseLost
from factory.work.models import Attempt, Task
from factory.work.services.artifacts import check_size
from factory.work.services.failures import fail_task
from factory.work.services.graphs import settle_graph
from factory.work.services.tasks import change_task, lock_task, ready_task, tell


def offer_result(attempt: Attempt, result: Json) -> None:
    """Take the result of an attempt that holds its fence; accept it at once where nobody judges it.

    Raises:
        BadArguments: it does not fit the answer schema.
        OutcomeRefused: it is too large.
    """
    task = attempt.task
    check_size(result)
    if task.answer_schema is not None:
        check_arguments(task.answer_schema, result)
    close_attempt(attempt, state=Attempt.State.OFFERED, result=result)
    change_task(task, to=Task.State.VALIDATING, actor=attempt.worker, reason=f"judge: {task.validator}")
    if task.validator in rules.OWN_VALIDATORS:
        accept_result(attempt.pk, by=f"work:{task.validator}")
    else:
        tell("work.result_offered", task, attempt_id=str(attempt.pk), validator=task.validator)


@transaction.atomic
def accept_result(attempt_id: UUID, *, by: str, reason: str = "") -> None:
    """Let the task be done with what this attempt offered; what waited for it alone becomes ready with it.

    Raises:
        LeaseLost: this attempt's result is not the one being judged.
    """
    attempt = _offered(attempt_id)
    Attempt.objects.filter(pk=attempt.pk).update(state=Attempt.State.DONE)
    change_task(attempt.task, to=Task.State.COMPLETED, actor=by, reason=reason)
    _let_dependents_go(attempt.task)
    settle_graph(attempt.task.dag_id)


def _let_dependents_go(task: Task) -> None:
    """Count down what waits for `task`, rows locked in one order; the last of several parents readies the child."""
    behind = Task.objects.filter(dependencies__depends_on=task)
    ids = [child.pk for child in behind.select_for_update(of=("self",)).order_by("id")]
    Task.objects.filter(id__in=ids).update(open_dependencies=F("open_dependencies") - 1)
    free = Task.objects.filter(id__in=ids, open_dependencies=0, state=Task.State.PENDING)
    for child in free.select_related("dag").order_by("id"):
        ready_task(child, actor="work", reason="all it waited for is done")


@transaction.atomic
def refuse_result(
    attempt_id: UUID, *, faults: Sequence[str], by: str, error_class: str = "low_quality"
) -> None:
    """Refuse what this attempt offered; the next attempt is told the faults.

    Raises:
        LeaseLost: this attempt's result is not the one being judged.
    """
    attempt = _offered(attempt_id)
    words = "; ".join(faults) or "refused without a word"
    Attempt.objects.filter(pk=attempt.pk).update(
        state=Attempt.State.FAILED, error=words, error_class=error_class
    )
    fail_task(attempt.task, error_class=error_class, error=words, actor=by)


def refuse_unjudged() -> int:
    """Refuse the results nobody judged in time: silence is a no. Safe to run twice."""
    late = timezone.now() - timedelta(seconds=rules.JUDGE_S)
    unjudged = Attempt.objects.filter(state=Attempt.State.OFFERED, task__in=Task.objects.unjudged(late))
    return sum(_refuse_late(attempt_id) for attempt_id in unjudged.values_list("pk", flat=True))


def _refuse_late(attempt_id: UUID) -> bool:
    try:
        refuse_result(attempt_id, faults=["nobody judged it in time"], by="work", error_class="transient")
    except LeaseLost:
        return False
    return True


def _offered(attempt_id: UUID) -> Attempt:
    offered = Attempt.objects.filter(pk=attempt_id, state=Attempt.State.OFFERED)
    task = lock_task(attempts__in=offered, state=Task.State.VALIDATING)
    if task is None:
        raise LeaseLost(attempt=attempt_id, wanted="the result that is being judged")
    attempt = offered.get()
    attempt.task = task
    return attempt


def close_attempt(attempt: Attempt, *, state: str, **columns: object) -> None:
    """Close an open attempt and take its capability token back, in one transaction.

    Raises:
        LeaseLost: it is closed already.
    """
    fresh = {"state": state, "ended_at": timezone.now(), **columns}
    if not Attempt.objects.filter(pk=attempt.pk, state=Attempt.State.OPEN).update(**fresh):
        raise LeaseLost(attempt=attempt.pk)
    for name, value in fresh.items():
        setattr(attempt, name, value)
    revoke_tokens(attempt.pk)
    tell(
        "work.attempt_finished",
        attempt.task,
        attempt_id=str(attempt.pk),
        state=state,
        error_class=attempt.error_class,
    )
