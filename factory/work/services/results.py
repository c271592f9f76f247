"""Results: offered by an attempt, accepted or refused by whoever judges them."""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from django.db import transaction

from agents.roster.services import revoke_tokens
from core.registry import Json, check_arguments
from core.services import announce, is_handled, machine_now
from factory.work import rules
from factory.work.adapters.line import the_line
from factory.work.errors import LeaseLost
from factory.work.models import Attempt, Permit, Task
from factory.work.ports import Done, Freed, Turn, Wish
from factory.work.services.artifacts import check_size
from factory.work.services.failures import fail_task
from factory.work.services.graphs import settle_graph
from factory.work.services.tasks import change_task, lift_due, lock_task, ring_for, tell


def offer_result(attempt: Attempt, result: Json) -> None:
    """Take the result of an attempt that holds its fence; accept it at once where nobody judges it.

    Raises:
        BadArguments: it does not fit the answer schema.
        OutcomeRefused: it is too large.
    """
    task = attempt.task
    text = checked_result(result, schema=task.answer_schema)
    if task.validator in rules.OWN_VALIDATORS:
        ring_for(complete([done_of(attempt, validator=task.validator, result=text)]))
        return
    close_attempt(attempt, state=Attempt.State.OFFERED, result=result)
    change_task(task, to=Task.State.VALIDATING, actor=attempt.worker, reason=f"judge: {task.validator}")
    tell("work.result_offered", task, attempt_id=str(attempt.pk), validator=task.validator)


def checked_result(result: Json, *, schema: Json | None) -> str:
    """Return `result` as JSON, if it may be stored.

    Raises:
        BadArguments: it does not fit its schema.
        OutcomeRefused: it is too large.
    """
    text = check_size(result)
    if schema is not None:
        check_arguments(schema, result)
    return text


def done_of(attempt: Attempt, *, validator: str, result: str) -> Done:
    """Return what `complete` needs of an attempt whose result is accepted unjudged."""
    return Done(
        attempt_id=attempt.pk, task_id=attempt.task_id, dag_id=attempt.task.dag_id, worker=attempt.worker, result=result,
        has_agent=attempt.agent_id is not None, actor=f"work:{validator}", reason=f"judge: {validator}",
    )  # fmt: skip


def complete(done: Sequence[Done]) -> tuple[str, ...]:
    """Let tasks be done; what waited for them alone becomes ready, and graphs of which nothing is left are over.

    The caller has locked their graphs and them in an earlier statement; he rings for the queues that are returned,
    one for each task that became ready.
    """
    return _follow(done, the_line().complete(done, now=machine_now()))


def _follow(done: Sequence[Done], freed: Freed) -> tuple[str, ...]:
    for task in Task.objects.filter(pk__in=freed.due) if freed.due else ():
        lift_due(task)
    for dag_id in freed.over:
        settle_graph(dag_id)
    announce("work", *{f"dag:{one.dag_id}" for one in done})
    if is_handled("work.attempt_finished"):
        for attempt in Attempt.objects.filter(pk__in=[one.attempt_id for one in done]).select_related(
            "task__dag"
        ):
            tell(
                "work.attempt_finished",
                attempt.task,
                attempt_id=str(attempt.pk),
                state=attempt.state,
                error_class="",
            )
    return freed.queues


def complete_held(done: Sequence[Done], *, then: Wish | None = None) -> Turn:
    """Let tasks be done whose attempts still run, and take what is wished for, in the caller's transaction.

    He rings for what became ready.
    """
    turn = the_line().turn(done, then, now=machine_now())
    if kept := [one for one in done if one.attempt_id in turn.held]:
        _follow(kept, turn.freed)
    return turn


@transaction.atomic
def accept_result(attempt_id: UUID, *, by: str, reason: str = "") -> None:
    """Let the task be done with what this attempt offered; what waited for it alone becomes ready with it.

    Raises:
        LeaseLost: this attempt's result is not the one being judged.
    """
    attempt = _offered(attempt_id)
    done = Done(
        attempt_id=attempt.pk, task_id=attempt.task_id, dag_id=attempt.task.dag_id, worker=attempt.worker,
        has_agent=False, actor=by, reason=reason, is_judged=True,
    )  # fmt: skip
    ring_for(complete([done]))


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
    late = machine_now() - timedelta(seconds=rules.JUDGE_S)
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
    """Close an open attempt, give its permits back and take its capability token, in one transaction.

    Raises:
        LeaseLost: it is closed already.
    """
    fresh = {"state": state, "ended_at": machine_now(), **columns}
    if not Attempt.objects.filter(pk=attempt.pk, state=Attempt.State.OPEN).update(**fresh):
        raise LeaseLost(attempt=attempt.pk)
    for name, value in fresh.items():
        setattr(attempt, name, value)
    Permit.objects.filter(holder=attempt.pk).update(holder=None)
    revoke_tokens(attempt.pk)
    tell(
        "work.attempt_finished",
        attempt.task,
        attempt_id=str(attempt.pk),
        state=state,
        error_class=attempt.error_class,
    )
