"""An attempt lives under its fence: late results are refused, silence and death are seen, nothing is lost."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection, transaction
from django.utils import timezone

from core.adapters.processes import is_dead, worker_name
from core.registry import ArtifactDraft, Assignment, Outcome
from factory.work.errors import LeaseLost, OutcomeRefused
from factory.work.models import Artifact, Attempt, DeadLetter, Task
from factory.work.services import (
    cancel_task,
    claim_task,
    finish_attempt,
    heartbeat,
    may_go_on,
    promote_due,
    reap_leases,
    recover_dead,
    retry_dead_letter,
)
from tests.builders import a_task
from tests.factory.work.hands import an_agents_task, carry_out, take

pytestmark = pytest.mark.django_db
DONE = Outcome(kind="done", result={"x": 1}, artifacts=(ArtifactDraft(kind="json", name="x", content=b"1"),))
FAILED = Outcome(kind="failed", error="no route", error_class="transient")


def taken() -> Assignment:
    """Claim and begin the next task, which must be there."""
    assignment = take()
    assert assignment is not None
    return assignment


def die() -> None:
    """Take the next task and vanish with it; nobody waits for the lease."""
    taken()
    recover_dead(is_dead=lambda worker: True)


def test_a_result_is_stored_with_the_end_of_its_attempt() -> None:
    task = an_agents_task()

    finish_attempt(taken().id, DONE)

    attempt = task.attempts.get()
    assert (attempt.state, attempt.result) == ("done", {"x": 1})
    assert attempt.artifacts.get().blob is not None
    assert Task.objects.get().state == "completed"


@pytest.mark.parametrize("outcome", [DONE, FAILED, Outcome(kind="stopped")])
def test_a_late_result_is_refused_and_nothing_of_it_is_stored(outcome: Outcome) -> None:
    task = an_agents_task()
    late = taken()
    Task.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    reap_leases()
    Task.objects.update(not_before=timezone.now() - timedelta(minutes=1))
    promote_due()
    second = taken()

    with pytest.raises(LeaseLost) as refusal, transaction.atomic():
        finish_attempt(late.id, outcome)
    with pytest.raises(LeaseLost), transaction.atomic():
        heartbeat(late.id)
    finish_attempt(second.id, Outcome(kind="done", result={"x": 2}))

    assert (refusal.value.code, refusal.value.http_status) == ("LEASE_LOST", 409)
    assert not may_go_on(late.id)
    assert not Artifact.objects.exists()
    assert list(task.attempts.order_by("n").values_list("n", "state")) == [(1, "lost"), (2, "done")]
    assert task.attempts.get(state="done").result == {"x": 2}


def test_an_attempt_ends_once() -> None:
    an_agents_task()
    assignment = taken()
    finish_attempt(assignment.id, DONE)

    with pytest.raises(LeaseLost):
        finish_attempt(assignment.id, DONE)


def test_a_beaten_lease_lives_and_a_silent_one_is_taken_back_after_90_seconds() -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        task = an_agents_task()
        assignment = taken()
        clock.shift(80)
        heartbeat(assignment.id)
        clock.shift(80)
        beaten = reap_leases()
        clock.shift(11)
        silent = reap_leases()

    task.refresh_from_db()
    assert (beaten, silent, reap_leases()) == (0, 1, 0)
    assert (task.state, task.failures) == ("ready", 1)
    attempt = task.attempts.get()
    assert (attempt.state, attempt.error_class, attempt.error) == ("lost", "crash", "the worker went silent")


def test_a_beat_that_had_to_wait_for_the_database_gives_a_whole_lease_all_the_same() -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        an_agents_task()
        assignment = taken()
        waits = iter([100])

        def let_wait(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001
            answer = execute(sql, params, many, context)
            clock.shift(next(waits, 0) if "work_task" in sql else 0)
            return answer

        clock.shift(80)
        with connection.execute_wrapper(let_wait):
            heartbeat(assignment.id)

        assert reap_leases() == 0
        clock.shift(89)
        assert reap_leases() == 0
        clock.shift(2)
        assert reap_leases() == 1


def test_no_beat_keeps_a_lease_past_the_time_of_its_type_and_that_is_no_death() -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        task = an_agents_task(type="decompose", validator="judge")
        assignment = taken()
        for _ in range(10):
            clock.shift(29)
            heartbeat(assignment.id)
        clock.shift(29)
        with pytest.raises(LeaseLost), transaction.atomic():
            heartbeat(assignment.id)
        clock.shift(90)
        reap_leases()

    assert task.attempts.get().error_class == "stuck"


def test_a_claim_never_begun_goes_back_and_costs_nothing_until_the_fifth_time() -> None:
    task = an_agents_task()
    seen = []
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for _ in range(5):
            claim_task(worker="w")
            clock.shift(61)
            reap_leases()
            task.refresh_from_db()
            seen.append((task.state, task.failures))

    assert seen == [("ready", 0)] * 4 + [("retrying", 1)]
    assert [attempt.state for attempt in task.attempts.order_by("n")] == ["unstarted"] * 4 + ["lost"]


def test_the_fence_only_grows() -> None:
    task = an_agents_task()

    for _ in range(3):
        carry_out(Outcome(kind="stopped"))
    carry_out(DONE)

    assert list(task.attempts.order_by("n").values_list("n", flat=True)) == [1, 2, 3, 4]


def test_asked_to_stop_costs_no_attempt() -> None:
    task = an_agents_task()

    carry_out(Outcome(kind="stopped"))

    task.refresh_from_db()
    assert (task.state, task.failures) == ("ready", 0)


def test_the_second_attempt_is_told_the_error_and_the_third_gets_a_better_model() -> None:
    task = an_agents_task()
    seen = []

    for words in ("first", "second", "third"):
        assignment = taken()
        seen.append((assignment.last_error, assignment.tier_steps))
        finish_attempt(assignment.id, Outcome(kind="failed", error=words, error_class="stuck"))
        Task.objects.filter(state="retrying").update(not_before=timezone.now() - timedelta(minutes=1))
        promote_due()

    assert seen == [("", 0), ("first", 0), ("second", 1)]
    letter = DeadLetter.objects.get()
    task.refresh_from_db()
    assert (task.state, letter.error, letter.error_class) == ("dead_letter", "third", "stuck")
    records = task.attempts.order_by("n").values_list("state", "error", "error_class")
    assert list(records) == [("failed", words, "stuck") for words in ("first", "second", "third")]
    assert task.dag.tasks.get().dag.state == "stalled"


def test_a_death_changes_nothing_in_what_the_next_attempt_is_told() -> None:
    an_agents_task()
    carry_out(Outcome(kind="failed", error="bad json", error_class="invalid_output"))
    before = taken()
    recover_dead(is_dead=lambda worker: True)

    after = taken()

    assert (after.last_error, after.tier_steps) == (before.last_error, before.tier_steps) == ("bad json", 0)


@pytest.mark.parametrize("error_class", ["budget", "permanent", "rejected", "no such class"])
def test_what_repeating_cannot_help_goes_to_the_owner_at_once(error_class: str) -> None:
    task = an_agents_task()

    carry_out(Outcome(kind="failed", error="no", error_class=error_class))

    task.refresh_from_db()
    assert (task.state, task.failures) == ("dead_letter", 1)


def test_a_pause_lies_between_attempts_and_is_over_when_it_is_over() -> None:
    task = an_agents_task()
    with time_machine.travel(timezone.now(), tick=False) as clock:
        carry_out(FAILED)
        clock.shift(4)
        early = (promote_due(), claim_task(worker="w"))
        clock.shift(12)
        due = promote_due()

    task.refresh_from_db()
    assert (early, due, task.state) == ((0, None), 1, "ready")


def test_three_deaths_park_the_task_as_poison_and_only_a_change_brings_it_back() -> None:
    task = an_agents_task()

    for _ in range(3):
        die()

    task.refresh_from_db()
    letter = task.dead_letters.get()
    assert (task.state, letter.is_poison) == ("dead_letter", True)
    with pytest.raises(Exception, match="POISONED_TASK"):
        retry_dead_letter(letter.pk, by="owner:ada")
    retry_dead_letter(letter.pk, by="owner:ada", brief="Smaller steps.")
    assignment = taken()
    assert (assignment.brief, assignment.id) == ("Smaller steps.", task.attempts.get(n=4).pk)


def test_a_task_put_back_by_the_owner_has_three_attempts_again() -> None:
    task = an_agents_task()
    carry_out(Outcome(kind="failed", error="no", error_class="permanent"))

    retry_dead_letter(task.dead_letters.get().pk, by="owner:ada", note="try again")
    carry_out(Outcome(kind="failed", error="no", error_class="low_quality"))

    task.refresh_from_db()
    assert (task.state, task.failures) == ("ready", 1)
    letter = task.dead_letters.get()
    assert (letter.resolution, letter.resolved_by, letter.note) == ("retried", "owner:ada", "try again")
    assert task.dag.tasks.get().dag.state == "running"


def test_at_boot_the_dead_give_back_at_once_and_the_living_keep_what_they_hold() -> None:
    mine, theirs, unknown = (a_task(kind="test.nothing") for _ in range(3))
    start_attempt_of(worker_name(0))
    start_attempt_of(worker_name(1).replace(":", ":x", 1))
    start_attempt_of(f"{worker_name(2).rpartition(':')[0]}:1#2")

    recovered = recover_dead()

    states = [Task.objects.get(pk=task.pk).state for task in (mine, theirs, unknown)]
    assert (recovered, states) == (1, ["running", "running", "ready"])


def start_attempt_of(worker: str) -> None:
    """Let this worker take the next task."""
    assert take(worker) is not None


def test_only_processes_of_this_boot_can_be_known_dead() -> None:
    living = worker_name(3)
    reused = f"{living.rpartition(':')[0]}:1#3"
    gone = ":".join([*living.split(":")[:3], "4194399", "77#3"])

    assert [is_dead(name) for name in (living, reused, gone, "elsewhere:a:b:1:2#3", "w", "")] == [
        False,
        True,
        True,
        False,
        False,
        False,
    ]


def test_no_way_out_of_an_attempt_leaves_it_open() -> None:
    endings: list[Callable[[Assignment], object]] = [
        lambda one: finish_attempt(one.id, DONE),
        lambda one: finish_attempt(one.id, FAILED),
        lambda one: finish_attempt(one.id, Outcome(kind="stopped")),
        lambda one: recover_dead(is_dead=lambda worker: True),
        lambda one: cancel_task(one.reuse_key, by="owner:ada"),
    ]

    for end in endings:
        an_agents_task(priority=0)
        end(taken())
        Task.objects.filter(state="ready").update(not_before=None, state="cancelled")

    assert Attempt.objects.count() == len(endings)
    assert not Attempt.objects.filter(state="open").exists()
    assert not Task.objects.leased().exists()


def test_a_cancelled_task_takes_no_result_and_its_worker_is_told() -> None:
    task = an_agents_task()
    assignment = taken()

    cancel_task(task.pk, by="owner:ada", reason="not needed")

    assert not may_go_on(assignment.id)
    with pytest.raises(LeaseLost), transaction.atomic():
        finish_attempt(assignment.id, DONE)
    assert task.attempts.get().state == "cancelled"


def test_an_ending_nobody_knows_is_refused() -> None:
    an_agents_task()
    assignment = taken()

    with pytest.raises(OutcomeRefused), transaction.atomic():
        finish_attempt(assignment.id, Outcome(kind="wants_children"))

    assert may_go_on(assignment.id)
