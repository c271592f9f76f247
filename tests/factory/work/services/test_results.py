"""A result counts when it was accepted; no worker waits for that, and silence refuses."""

from uuid import UUID

import pytest
import time_machine
from django.db import transaction
from django.utils import timezone

from core.models import Event
from core.registry import Outcome
from factory.work.errors import LeaseLost, OutcomeRefused
from factory.work.models import Task
from factory.work.rules import TaskSpec
from factory.work.services import accept_result, cancel_task, finish_attempt, reap_leases, refuse_result
from tests.builders import a_graph
from tests.factory.work.hands import a_hand, an_agents_task, carry_out, states_of, take

pytestmark = pytest.mark.django_db
DONE = Outcome(kind="done", result={"verdict": "pass"})
SCHEMA = {"type": "object", "required": ["verdict"], "properties": {"verdict": {"enum": ["pass", "fail"]}}}


def an_offered() -> tuple[Task, UUID]:
    """Return a task whose result waits for its judge, and the attempt that made it."""
    task = an_agents_task(type="code", validator="tests")
    assignment = carry_out(DONE)
    assert assignment is not None
    task.refresh_from_db()
    return task, assignment.id


def test_an_offered_result_waits_for_its_judge_without_a_worker() -> None:
    task, attempt_id = an_offered()

    offered = Event.objects.get(kind="work.result_offered")
    assert (task.state, task.lease) == ("validating", None)
    assert offered.facts == {
        "task_id": str(task.pk),
        "dag_id": str(task.dag_id),
        "attempt_id": str(attempt_id),
        "validator": "tests",
    }


def test_an_accepted_result_completes_the_task_once() -> None:
    task, attempt_id = an_offered()

    accept_result(attempt_id, by="quality", reason="all gates passed")

    task.refresh_from_db()
    assert (task.state, task.attempts.get().state) == ("completed", "done")
    with pytest.raises(LeaseLost):
        accept_result(attempt_id, by="quality")


def test_a_refused_result_is_tried_again_at_once_with_its_faults_and_a_better_model() -> None:
    task, attempt_id = an_offered()

    refuse_result(attempt_id, faults=["app/api.py:3 wrong status", "no test"], by="quality")

    assignment = take()
    assert assignment is not None
    assert assignment.last_error == "app/api.py:3 wrong status; no test"
    assert (assignment.tier_steps, Task.objects.get(pk=task.pk).failures) == (1, 1)


def test_a_late_verdict_over_an_earlier_attempt_moves_nothing() -> None:
    task, first = an_offered()
    refuse_result(first, faults=["no"], by="quality")
    carry_out(DONE)

    with pytest.raises(LeaseLost), transaction.atomic():
        accept_result(first, by="quality")

    task.refresh_from_db()
    assert task.state == "validating"


def test_a_result_nobody_judges_within_the_hour_is_refused() -> None:
    with time_machine.travel(timezone.now(), tick=False) as clock:
        task, _ = an_offered()
        clock.shift(3_590)
        early = reap_leases()
        clock.shift(20)
        late = reap_leases()

    task.refresh_from_db()
    assert (early, late, task.state) == (0, 1, "retrying")
    assert task.attempts.get().error == "nobody judged it in time"


def test_cancelling_ends_the_judging_too() -> None:
    task, attempt_id = an_offered()

    cancel_task(task.pk, by="owner:ada")

    with pytest.raises(LeaseLost):
        accept_result(attempt_id, by="quality")


def test_an_answer_that_does_not_fit_its_schema_fails_and_the_next_attempt_is_told_where() -> None:
    task = an_agents_task(validator="schema", answer_schema=SCHEMA)

    carry_out(Outcome(kind="done", result={"verdict": "maybe"}))

    assignment = take()
    assert assignment is not None
    assert "$.verdict" in assignment.last_error
    assert task.attempts.get(n=1).error_class == "invalid_output"
    finish_attempt(assignment.id, DONE)
    task.refresh_from_db()
    assert task.state == "completed"


def test_a_result_of_a_megabyte_belongs_into_an_artifact() -> None:
    an_agents_task()
    assignment = take()
    assert assignment is not None

    with pytest.raises(OutcomeRefused), transaction.atomic():
        finish_attempt(assignment.id, Outcome(kind="done", result={"x": "y" * 1_000_000}))


def test_completing_and_readying_are_one_transaction() -> None:
    rex = a_hand()
    dag = a_graph(
        TaskSpec(key="a", title="A", agent=rex.name, type="write"),
        TaskSpec(key="b", title="B", agent=rex.name, type="write", after=("a",)),
    )
    assignment = take()
    assert assignment is not None

    with transaction.atomic():
        finish_attempt(assignment.id, DONE)
        transaction.set_rollback(True)

    assert states_of(dag) == {"a": "running", "b": "pending"}
