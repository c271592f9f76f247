"""A yes that is taken back before anyone began keeps the task out of its line until it is answered again."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import pytest

from approvals.errors import NotTakenBack
from approvals.models import Request
from approvals.services import decide_request, take_back
from core.models import User
from core.registry import Outcome, Question, register_action
from factory.work.models import Task
from factory.work.services import (
    cancel_task,
    finish_attempt,
    hold_back,
    pause_graph,
    refuse_task,
    resume_task,
    unpause_graph,
)
from tests.builders import a_user
from tests.factory.work.hands import an_agents_task, take

pytestmark = pytest.mark.django_db


def end_it(arguments: Mapping[str, Any], *, decision_id: UUID) -> None:
    """Let the asking task end."""
    refuse_task(UUID(arguments["task_id"]), words="the owner said no")


@register_action("work.test_open", schema={"type": "object"}, on_no=end_it, on_take_back=hold_back)
def let_it_go_on(arguments: Mapping[str, Any], *, decision_id: UUID) -> None:
    """Let the asking task go on."""
    resume_task(UUID(arguments["task_id"]), {"answer": "approve", "decision_id": str(decision_id)})


@pytest.fixture(name="owner")
def an_owner() -> User:
    """Return who answers."""
    return a_user(name="ada")


@pytest.fixture(name="approved")
def an_approved_task(owner: User) -> tuple[Task, Request]:
    """Return a task whose question was answered with yes, and that question."""
    task = an_agents_task(type="write")
    assignment = take()
    assert assignment is not None
    question = Question(
        action="work.test_open", arguments={"task_id": str(task.pk)}, title="Open it?", facts={}
    )
    finish_attempt(assignment.id, Outcome(kind="waiting", question=question))
    task.refresh_from_db()
    request = Request.objects.get(pk=str(task.question))
    decide_request(request.pk, answer="approve", by=owner, digest=request.digest)
    return task, request


def state_of(task: Task) -> str:
    """Return where the task stands now."""
    task.refresh_from_db()
    return task.state


def test_nobody_gets_a_task_whose_yes_was_taken_back(approved: tuple[Task, Request], owner: User) -> None:
    task, request = approved

    take_back(request.pk, by=owner)

    assert take() is None
    assert (state_of(task), task.open_question) == ("ready", request.pk)


def test_the_next_yes_lets_it_go_on_with_the_new_decision(
    approved: tuple[Task, Request], owner: User
) -> None:
    task, request = approved
    take_back(request.pk, by=owner)

    decision = decide_request(request.pk, answer="approve", by=owner, digest=request.digest)

    assignment = take()
    assert assignment is not None
    assert assignment.decisions["work.test_open"]["decision_id"] == str(decision.pk)
    assert (state_of(task), task.open_question) == ("running", None)


def test_the_next_no_ends_it(approved: tuple[Task, Request], owner: User) -> None:
    task, request = approved
    take_back(request.pk, by=owner)

    decide_request(request.pk, answer="reject", by=owner, digest=request.digest)

    assert (state_of(task), task.open_question) == ("dead_letter", None)


def test_once_somebody_has_the_task_the_yes_stays(approved: tuple[Task, Request], owner: User) -> None:
    _task, request = approved
    take()

    with pytest.raises(NotTakenBack):
        take_back(request.pk, by=owner)

    assert Request.objects.get(pk=request.pk).state == "approved"


def test_a_cancelled_task_takes_its_question_with_it(approved: tuple[Task, Request], owner: User) -> None:
    task, request = approved
    take_back(request.pk, by=owner)

    cancel_task(task.pk, by="owner:ada")

    assert (state_of(task), Request.objects.get(pk=request.pk).state) == ("cancelled", "withdrawn")


def test_a_yes_in_a_paused_graph_waits_for_the_graph(approved: tuple[Task, Request], owner: User) -> None:
    task, request = approved
    take_back(request.pk, by=owner)
    pause_graph(task.dag_id, by="owner:ada")

    decide_request(request.pk, answer="approve", by=owner, digest=request.digest)

    assert take() is None
    unpause_graph(task.dag_id, by="owner:ada")
    assert take() is not None
