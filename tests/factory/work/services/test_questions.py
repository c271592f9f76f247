"""A task asks the owner, waits without a worker, and goes on or ends with the answer, in one transaction."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest
import time_machine
from django.db import transaction
from django.utils import timezone

from approvals.models import Request
from approvals.services import decide_request, expire_requests
from core.errors import BadArguments
from core.registry import Assignment, Outcome, Question, register_action
from factory.work.errors import NoOpenQuestion, OutcomeRefused
from factory.work.models import Task
from factory.work.services import cancel_task, finish_attempt, refuse_task, resume_task, retry_dead_letter
from factory.work.services.graphs import settle_graph
from tests.builders import a_user
from tests.factory.work.hands import an_agents_task, carry_out, take

pytestmark = pytest.mark.django_db
SCHEMA = {"type": "object", "required": ["task_id"]}


def end_it(arguments: Mapping[str, Any], *, decision_id: UUID) -> None:
    """Let the asking task end."""
    refuse_task(UUID(arguments["task_id"]), words="the owner said no")


@register_action("work.test_build", schema=SCHEMA, on_no=end_it)
def let_it_go_on(arguments: Mapping[str, Any], *, decision_id: UUID) -> None:
    """Let the asking task go on."""
    resume_task(UUID(arguments["task_id"]), {"answer": "approve", "decision_id": str(decision_id)})


def a_question(assignment: Assignment, *, action: str = "work.test_build", **facts: Any) -> Outcome:
    """Return the outcome of an attempt that asks the owner."""
    return Outcome(
        kind="waiting",
        question=Question(
            action=action, arguments={"task_id": str(assignment.reuse_key)}, title="Build it?", facts=facts
        ),
    )


def an_asking(**facts: Any) -> tuple[Task, Request]:
    """Return a task that waits for the owner, and what it asked."""
    task = an_agents_task(type="write")
    assignment = take()
    assert assignment is not None
    finish_attempt(assignment.id, a_question(assignment, **facts))
    task.refresh_from_db()
    return task, Request.objects.get(pk=str(task.question))


def test_a_waiting_task_holds_no_worker_and_its_question_lies_before_the_owner() -> None:
    task, request = an_asking(worst_case_microusd=70, on_yes="It is built.")

    assert (task.state, task.lease, task.attempts.get().state) == ("waiting", None, "waiting")
    assert (request.title, request.asked_by) == ("Build it?", f"agent:{task.agent}")
    assert (request.worst_case_microusd, request.on_yes) == (70, "It is built.")
    assert request.correlation_id == task.dag.correlation_id
    assert take() is None


def test_a_yes_readies_the_task_in_its_own_transaction_and_the_next_attempt_finds_it() -> None:
    task, request = an_asking()

    decision = decide_request(request.pk, answer="approve", by=a_user(), digest=request.digest)

    assignment = take()
    assert assignment is not None
    assert assignment.decisions == {"work.test_build": {"answer": "approve", "decision_id": str(decision.pk)}}
    task.refresh_from_db()
    assert (task.failures, task.question, assignment.last_error) == (0, None, "")


def test_a_no_ends_the_task_without_another_attempt() -> None:
    task, request = an_asking()

    decide_request(request.pk, answer="reject", by=a_user(), digest=request.digest)

    task.refresh_from_db()
    letter = task.dead_letters.get()
    assert (task.state, letter.error_class, letter.error) == ("dead_letter", "rejected", "the owner said no")


def test_silence_is_a_no() -> None:
    task, _request = an_asking(deadline_s=60)

    with time_machine.travel(timezone.now().timestamp() + 61):
        expire_requests()

    task.refresh_from_db()
    assert task.state == "dead_letter"


def test_an_answer_moves_only_a_task_that_waits_for_it() -> None:
    task = an_agents_task()

    with pytest.raises(NoOpenQuestion), transaction.atomic():
        resume_task(task.pk, {})
    with pytest.raises(NoOpenQuestion), transaction.atomic():
        refuse_task(task.pk, words="no")

    assert Task.objects.get(pk=task.pk).state == "ready"


def test_cancelling_takes_the_question_back() -> None:
    task, request = an_asking()

    cancel_task(task.pk, by="owner:ada")

    request.refresh_from_db()
    assert request.state == "withdrawn"


def test_asking_again_what_was_answered_is_refused() -> None:
    _, request = an_asking()
    decide_request(request.pk, answer="approve", by=a_user(), digest=request.digest)
    again = take()
    assert again is not None

    with pytest.raises(OutcomeRefused), transaction.atomic():
        finish_attempt(again.id, a_question(again))

    assert Request.objects.count() == 1


def test_a_task_the_owner_put_back_may_ask_once_more() -> None:
    task, request = an_asking()
    decide_request(request.pk, answer="reject", by=a_user(), digest=request.digest)
    retry_dead_letter(task.dead_letters.get().pk, by="owner:ada")
    again = take()
    assert again is not None

    finish_attempt(again.id, a_question(again))

    task.refresh_from_db()
    assert task.state == "waiting"
    assert Request.objects.filter(state="pending").count() == 1


def test_a_question_that_cannot_be_asked_leaves_the_attempt_as_it_was() -> None:
    an_agents_task()
    assignment = take()
    assert assignment is not None

    with pytest.raises(BadArguments), transaction.atomic():
        finish_attempt(assignment.id, a_question(assignment, colour="red"))
    with pytest.raises(OutcomeRefused), transaction.atomic():
        finish_attempt(assignment.id, Outcome(kind="waiting"))

    assert Task.objects.get().state == "running"
    assert not Request.objects.exists()


def test_waiting_tasks_hold_up_nobody() -> None:
    waiting = [an_asking()[0] for _ in range(3)]
    task = an_agents_task()

    carry_out()

    task.refresh_from_db()
    assert task.state == "completed"
    assert {Task.objects.get(pk=one.pk).state for one in waiting} == {"waiting"}


def test_no_graph_is_over_while_a_question_of_it_is_open() -> None:
    task, request = an_asking()
    Task.objects.exclude(pk=task.pk).update(state="completed")

    settle_graph(task.dag_id)

    task.dag.refresh_from_db()
    assert (task.dag.state, task.dag.closed_at) == ("running", None)
    decide_request(request.pk, answer="reject", by=a_user(), digest=request.digest)
    settle_graph(task.dag_id)
    task.dag.refresh_from_db()
    assert task.dag.state != "completed"
