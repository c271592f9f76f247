"""One verb changes states: all 144 pairs, with one event each or nothing at all."""

from itertools import product
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from core.errors import IllegalMove
from core.ids import new_id
from core.models import Event
from factory.work.errors import TaskChanged
from factory.work.models import Task, TaskEvent
from factory.work.rules import LEASED, MOVES
from factory.work.services import change_task
from tests.builders import a_task
from tests.factory.work import hands  # noqa: F401 (registers the job)
from tests.factory.work.hands import an_agents_task

pytestmark = pytest.mark.django_db
LEASE: dict[str, Any] = {"lease": new_id(), "leased_until": timezone.now(), "leased_to": "w"}
NO_LEASE: dict[str, Any] = {}
PAIRS = sorted(product(MOVES, MOVES))
ALLOWED = [(old, new) for old, new in PAIRS if new in MOVES[old]]


def columns_for(state: str) -> dict[str, Any]:
    """Return what a row in this state must hold."""
    return {True: LEASE, False: NO_LEASE}[state in LEASED]


def a_task_in(state: str) -> Task:
    """Return a task that was put into `state` past the verb."""
    task = a_task(kind="test.nothing")
    Task.objects.filter(pk=task.pk).update(state=state, **columns_for(state))
    TaskEvent.objects.filter(task=task).delete()
    Event.objects.all().delete()
    task.refresh_from_db()
    return task


@pytest.mark.parametrize(("old", "new"), ALLOWED)
def test_an_allowed_change_writes_one_event(old: str, new: str) -> None:
    task = a_task_in(old)

    change_task(task, to=new, actor="owner:ada", reason="why", **columns_for(new))

    told = TaskEvent.objects.get(task=task)
    assert (told.old, told.new, told.actor, told.reason) == (old, new, "owner:ada", "why")
    stored = Task.objects.get(pk=task.pk)
    assert (stored.state, stored.version) == (new, task.version) == (new, 2)
    assert not Event.objects.exists()


@pytest.mark.parametrize("old", sorted(MOVES))
def test_every_other_change_is_refused_and_writes_nothing(old: str) -> None:
    task = a_task_in(old)
    refused = sorted(MOVES.keys() - MOVES[old])

    for new in refused:
        with pytest.raises(IllegalMove) as refusal, transaction.atomic():
            change_task(task, to=new, actor="owner:ada", **columns_for(new))
        assert (refusal.value.code, refusal.value.http_status) == ("INVALID_TRANSITION", 409)

    assert Task.objects.get(pk=task.pk).state == old
    assert not TaskEvent.objects.exists()
    assert not Event.objects.exists()
    assert len(refused) == 12 - len(MOVES[old])


def test_of_two_who_read_the_same_row_one_changes_it() -> None:
    first = an_agents_task()
    second = Task.objects.get(pk=first.pk)
    change_task(first, to=Task.State.CANCELLED, actor="first")

    with pytest.raises(TaskChanged), transaction.atomic():
        change_task(second, to=Task.State.CANCELLED, actor="second")

    assert TaskEvent.objects.filter(new="cancelled").get().actor == "first"


def test_leaving_a_worker_lets_go_of_the_lease() -> None:
    task = a_task_in(Task.State.RUNNING)

    change_task(task, to=Task.State.VALIDATING, actor="w")

    task.refresh_from_db()
    assert (task.lease, task.leased_until, task.leased_to) == (None, None, "")
