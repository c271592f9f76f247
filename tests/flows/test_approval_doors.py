"""One question, four doors at once: one decision, one effect, and every other door is told the first answer."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from approvals.models import Decision, Request
from core.models import AuditRow, User
from core.registry import Outcome, Question, register_action
from core.services import issue_device_token
from factory.console.management.verbs import run_verb
from factory.console.management.verbs.entry import CONFLICT
from factory.work.models import Task
from factory.work.services import finish_attempt, refuse_task, resume_task, sweep
from tests.builders import a_user
from tests.callers import bearer, call
from tests.factory.console.story import Story, a_story
from tests.factory.work.hands import an_agents_task, take

DOORS = ("page", "rest", "admin")
EACH = 5
SCHEMA = {"type": "object", "required": ["task_id"]}


def end_it(arguments: Mapping[str, Any], *, decision_id: UUID) -> None:
    """Let the task that asked end."""
    refuse_task(UUID(arguments["task_id"]), words="the owner said no")


@register_action("doors.go_on", schema=SCHEMA, on_no=end_it)
def go_on(arguments: Mapping[str, Any], *, decision_id: UUID) -> None:
    """Let the task that asked go on."""
    resume_task(UUID(arguments["task_id"]), {"decision_id": str(decision_id)})


@pytest.fixture(name="story")
def one_story(transactional_db: None) -> Story:
    """Return a factory with an open question."""
    return a_story()


def by_page(owner: User, ask: Request) -> Callable[[], bool]:
    """Return a way to say yes on the page: True when it was taken."""
    client = Client()
    client.force_login(owner)
    form = {"answer": "approve", "digest": ask.digest}
    return lambda: client.post(reverse("decision", args=[ask.pk]), form).status_code == 303


def by_rest(owner: User, ask: Request) -> Callable[[], bool]:
    """Return a way to say yes through the API."""
    client = bearer(issue_device_token(owner, name="phone", by="test")[1])

    def say_yes() -> bool:
        status = call(client, f"approvals/{ask.pk}/resolve", answer="approve", digest=ask.digest).status_code
        assert status in {200, 409}
        return bool(status == 200)

    return say_yes


def by_admin(owner: User, ask: Request) -> Callable[[], bool]:
    """Return a way to say yes in the admin."""
    client = Client()
    client.force_login(owner)
    form = {ACTION_CHECKBOX_NAME: [str(ask.pk)], "action": "approve", "confirmed": "yes", f"digest-{ask.pk}": ask.digest}  # fmt: skip

    def say_yes() -> bool:
        answer = client.post(reverse("admin:approvals_request_changelist"), form, follow=True)
        return any("answered." in str(message) for message in answer.context["messages"])

    return say_yes


def by_hand(owner: User, ask: Request) -> Callable[[], bool]:
    """Return a way to say yes in a shell."""

    def say_yes() -> bool:
        try:
            run_verb(["approve", ask.pk.hex[-8:], "--as", owner.username])
        except SystemExit as ended:
            return not ended.code
        return True

    return say_yes


WAYS = {"page": by_page, "rest": by_rest, "admin": by_admin, "shell": by_hand}


def closing(way: Callable[[], bool]) -> bool:
    """Go one way, and leave no connection behind."""
    try:
        return way()
    finally:
        connection.close()


def test_of_many_doors_at_once_one_is_heard(story: Story, capsys: pytest.CaptureFixture[str]) -> None:
    ask = story.waiting[0]
    ways = [WAYS[door](story.owner, ask) for door in DOORS for _ in range(EACH)]

    with ThreadPoolExecutor(len(ways)) as crowd:
        taken = list(crowd.map(closing, ways))
    with pytest.raises(SystemExit) as ended:
        run_verb(["reject", ask.pk.hex[-8:], "--as", story.owner.username])

    decision = Decision.objects.get(request=ask)
    assert sum(taken) == 1
    assert decision.channel == DOORS[taken.index(True) // EACH]
    assert AuditRow.objects.filter(verb="story.yes", subject=str(decision.pk)).count() == 1
    assert ended.value.code == CONFLICT
    assert "first answer stands" in capsys.readouterr().err


def a_dead_asker() -> tuple[Task, Request]:
    """Return a task that asked and its question; whoever carried it out has been gone for an hour."""
    with time_machine.travel(timezone.now() - timedelta(hours=1), tick=False):
        task, assignment = an_agents_task(type="write"), take(worker="gone:1:1")
        assert assignment is not None
        question = Question(
            action="doors.go_on", arguments={"task_id": str(task.pk)}, title="Go on?", facts={}
        )
        finish_attempt(assignment.id, Outcome(kind="waiting", question=question))
    sweep()
    task.refresh_from_db()
    return task, Request.objects.get(pk=str(task.question))


@pytest.mark.parametrize("door", WAYS)
def test_a_yes_through_any_door_while_the_asker_is_dead_lets_the_work_go_on_once(door: str, db: None) -> None:
    task, ask = a_dead_asker()
    way = WAYS[door](a_user(), ask)

    taken = [way(), way()]

    heir = take(worker="another:2:1")
    decision = Decision.objects.get(request=ask)
    assert taken == [True, False]
    assert heir is not None
    assert (heir.reuse_key, heir.decisions) == (task.pk, {"doors.go_on": {"decision_id": str(decision.pk)}})
    assert take(worker="another:2:2") is None
