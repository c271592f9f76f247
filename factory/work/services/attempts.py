"""The life of one attempt under its fence: begun, kept alive, ended once."""

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction

from core.adapters import processes
from core.adapters.last_words import last_words_of
from core.errors import BadArguments
from core.registry import Outcome
from core.services import machine_now, must_halt
from factory.work import rules
from factory.work.errors import LeaseLost, OutcomeRefused
from factory.work.models import Attempt, Task
from factory.work.services.admission import held_until, hold_switched, why_held
from factory.work.services.artifacts import store_artifacts
from factory.work.services.children import spawn_children, wait_for_children
from factory.work.services.failures import fail_task
from factory.work.services.outages import note_outage
from factory.work.services.questions import ask_for
from factory.work.services.results import close_attempt, offer_result, refuse_unjudged
from factory.work.services.tasks import change_task, lock_task, ready_task


@transaction.atomic
def start_attempt(assignment_id: UUID) -> None:
    """Begin a claimed attempt; from now on its lease must be kept alive.

    Raises:
        LeaseLost: the claim is void.
    """
    attempt = _held(assignment_id, state=Task.State.CLAIMED)
    now = machine_now()
    Attempt.objects.filter(pk=assignment_id).update(started_at=now)
    change_task(
        attempt.task,
        to=Task.State.RUNNING,
        actor=attempt.worker,
        reason=f"attempt {attempt.n}",
        leased_until=now + timedelta(seconds=settings.LEASE_S),
        run_until=now + timedelta(seconds=rules.limit_s(attempt.task.type)),
    )


@transaction.atomic
def heartbeat(assignment_id: UUID) -> None:
    """Keep the lease of a running attempt alive; once its time is over it runs out by itself.

    Raises:
        LeaseLost: the task is no longer this attempt's, or its time is over.
    """
    mine = Task.objects.select_for_update().filter(lease=assignment_id, state=Task.State.RUNNING)
    task = mine.only("run_until").first()
    now = machine_now()  # read once the row is ours: however long that took, the lease is whole
    if task is None or task.run_until is None or task.run_until <= now:
        raise LeaseLost(attempt=assignment_id)
    Task.objects.filter(pk=task.pk).update(leased_until=now + timedelta(seconds=settings.LEASE_S))


def may_go_on(assignment_id: UUID) -> bool:
    """Say whether a running attempt still has its task, nothing was stopped and no drain is over."""
    return not must_halt() and Task.objects.filter(lease=assignment_id).exists()


@transaction.atomic
def finish_attempt(assignment_id: UUID, outcome: Outcome) -> None:
    """End a running attempt and let its task follow, all in one transaction, under the fence. Source: R-04.12.

    A result that does not fit its schema is a failure of the attempt, not of this call.

    Raises:
        LeaseLost: the task is no longer this attempt's; nothing was stored.
        OutcomeRefused: an attempt may not end like this; nothing was stored.
    """
    attempt = _held(assignment_id, state=Task.State.RUNNING)
    if outcome.kind == "done":
        _take_result(attempt, outcome)
    elif outcome.kind == "failed" and outcome.misses:
        _wait_for_service(attempt, outcome)
    elif outcome.kind == "failed":
        _take_failure(attempt, outcome)
    elif outcome.kind == "wants_children":
        _take_children(attempt, outcome)
    elif outcome.kind == "waiting":
        store_artifacts(attempt, outcome.artifacts)
        close_attempt(attempt, state=Attempt.State.WAITING)
        ask_for(attempt, outcome.question)
    elif outcome.kind == "stopped":
        _give_back(attempt, held=held_until(outcome))
        hold_switched()
    else:
        raise OutcomeRefused(kind=outcome.kind)


def _take_result(attempt: Attempt, outcome: Outcome) -> None:
    try:
        with transaction.atomic():
            store_artifacts(attempt, outcome.artifacts)
            offer_result(attempt, outcome.result)
    except BadArguments as error:
        failed = Outcome(kind="failed", error=error.sentence, error_class="invalid_output")
        _take_failure(attempt, failed)


def _take_failure(attempt: Attempt, outcome: Outcome) -> None:
    store_artifacts(attempt, outcome.artifacts)
    close_attempt(
        attempt,
        state=Attempt.State.FAILED,
        error=outcome.error,
        error_class=outcome.error_class,
        has_raised=outcome.error_class == "crash",
    )
    fail_task(attempt.task, error_class=outcome.error_class, error=outcome.error, actor=attempt.worker)


def _take_children(attempt: Attempt, outcome: Outcome) -> None:
    if outcome.waits_for_children:
        wait_for_children(attempt, outcome)
        return
    spawn_children(attempt.pk, outcome.children)
    _take_result(attempt, outcome)


def _wait_for_service(attempt: Attempt, outcome: Outcome) -> None:
    """A service that does not answer says nothing about the work, so it costs no attempt. Source: R-01.28."""
    close_attempt(attempt, state=Attempt.State.STOPPED, error=outcome.error)
    note_outage(outcome.misses, kind=attempt.task.kind, words=outcome.error)
    reason = f"{outcome.misses} does not answer"
    change_task(attempt.task, to=Task.State.WAITING, actor=attempt.worker, reason=reason)
    ready_task(attempt.task, actor="work", reason=reason)


def _give_back(attempt: Attempt, *, held: str = "") -> None:
    """Asked to stop is no failure: the task goes back through waiting and costs no attempt. Source: R-01.26, R-02.14.

    What waits for a batch or for money is kept out of the line until that is there.
    """
    why = why_held(held) if held else "asked to stop"
    close_attempt(attempt, state=Attempt.State.STOPPED)
    change_task(attempt.task, to=Task.State.WAITING, actor=attempt.worker, reason=why)
    ready_task(attempt.task, actor="work", reason="may go on later", held=held)


def give_back_held(workers: Collection[str]) -> int:
    """Give back what these workers of ours run and could not end when asked to stop; return how many. Source: R-01.26."""
    held = Task.objects.leased().filter(leased_to__in=workers).values_list("lease", flat=True)
    return sum(_give_back_held(lease) for lease in list(held))


@transaction.atomic
def _give_back_held(lease: UUID | None) -> bool:
    task = lock_task(lease=lease, state=Task.State.RUNNING)
    if task is None:
        return False
    attempt = task.attempts.get(state=Attempt.State.OPEN)
    attempt.task = task
    _give_back(attempt)
    return True


def _held(assignment_id: UUID, *, state: str) -> Attempt:
    """Return the attempt, its task locked, if it holds the task in this state."""
    task = lock_task(lease=assignment_id, state=state)
    if task is None:
        raise LeaseLost(attempt=assignment_id)
    attempt = Attempt.objects.select_related("agent").get(pk=assignment_id)
    attempt.task = task
    return attempt


def reap_leases() -> int:
    """Take tasks back from workers that went silent, and results back from judges that did. Source: R-01.24.

    Returns how many; safe to run twice and in two processes at once.
    """
    overdue = Task.objects.overdue(machine_now()).values_list("lease", flat=True)
    return sum(_lose(lease, words="the worker went silent") for lease in list(overdue)) + refuse_unjudged()


def recover_dead(*, is_dead: processes.IsDead = processes.is_dead) -> int:
    """Take back at once what processes of this host held that are no more; return how many tasks. Source: R-04.27.

    A process that lives, or of which nothing is known, keeps its tasks: their leases run out by themselves.
    """
    held = Task.objects.leased().values_list("lease", "leased_to")
    dead = [lease for lease, worker in held if is_dead(worker)]
    return sum(_lose(lease, words="the worker died", may_start_now=True) for lease in dead)


@transaction.atomic
def _lose(lease: UUID | None, *, words: str, may_start_now: bool = False) -> bool:
    overdue = {} if may_start_now else {"leased_until__lt": machine_now()}
    task = lock_task(lease=lease, state__in=rules.LEASED, **overdue)
    if task is None:
        return False
    attempt = task.attempts.get(state=Attempt.State.OPEN)
    attempt.task = task
    if task.state == Task.State.CLAIMED:
        _lose_claim(attempt)
    else:
        _lose_run(attempt, words=words, may_start_now=may_start_now)
    return True


def _lose_claim(attempt: Attempt) -> None:
    """Nothing was spent, so it is no attempt; a task that is never begun fails all the same. Source: R-04.11."""
    task, misses = attempt.task, attempt.task.unstarted + 1
    if misses < rules.MAX_UNSTARTED:
        close_attempt(attempt, state=Attempt.State.UNSTARTED)
        ready_task(task, actor="work", reason="claimed and not begun", unstarted=misses)
        return
    close_attempt(attempt, state=Attempt.State.LOST, error="claimed and never begun", error_class="stuck")
    fail_task(task, error_class="stuck", error=f"claimed {misses} times and never begun", actor="work")


def _lose_run(attempt: Attempt, *, words: str, may_start_now: bool) -> None:
    """A death counts; running out of time is another thing."""
    task = attempt.task
    is_over = task.run_until is not None and task.run_until <= machine_now()
    said = "" if is_over else last_words_of(attempt.worker)
    error_class, error = ("stuck", "its time was over") if is_over else ("crash", f"{words}\n{said}".strip())
    close_attempt(attempt, state=Attempt.State.LOST, error=error, error_class=error_class)
    fail_task(task, error_class=error_class, error=error, actor="work", may_start_now=may_start_now)
