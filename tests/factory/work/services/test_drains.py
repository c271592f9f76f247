"""A drain: nothing new is claimed, what runs ends or is put back without losing an attempt, then maintenance."""

import threading
from datetime import timedelta

import pytest
from django.utils import timezone

from core.models import Installation
from core.registry import Assignment, Outcome, Stop
from core.services import drain, end_maintenance, found_installation
from factory.work.models import Task
from factory.work.services import claim_task, run_next, settle_drain
from tests.factory.work.hands import an_agents_task, carry_out, take

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _founded() -> None:
    found_installation("rehearsal")


def test_while_the_factory_drains_nothing_is_claimed_and_what_runs_may_end() -> None:
    running = an_agents_task()
    assert take() is not None
    waiting = an_agents_task()

    drain(by="operator:eve")

    assert claim_task(worker="w2") is None
    assert not settle_drain()
    assert Installation.objects.get().state == "draining"
    assert Task.objects.get(pk=running.pk).state == "running"
    assert Task.objects.get(pk=waiting.pk).state == "ready"


def test_maintenance_begins_when_nothing_runs_and_work_goes_on_after_it() -> None:
    task = an_agents_task()
    drain(by="operator:eve")

    assert settle_drain()
    assert not settle_drain()
    assert carry_out() is None
    end_maintenance(by="operator:eve")
    carry_out()

    assert Task.objects.get(pk=task.pk).state == "completed"


@pytest.mark.django_db(transaction=True)
def test_what_still_runs_when_the_time_is_over_is_put_back_and_loses_no_attempt() -> None:
    found_installation("rehearsal")
    task = an_agents_task()
    began = threading.Event()

    def work(assignment: Assignment, stop: Stop, /) -> Outcome:
        began.set()
        return Outcome(kind="stopped" if stop.wait(20) else "done")

    worker = threading.Thread(
        target=run_next, kwargs={"worker": "w", "stop": threading.Event(), "carry_out": work}
    )
    worker.start()
    began.wait(10)
    drain(by="operator:eve", within_s=600)
    Installation.objects.update(drain_until=timezone.now() - timedelta(seconds=1))
    worker.join(20)

    task.refresh_from_db()
    assert (task.state, task.failures, task.attempts.get().state) == ("ready", 0, "stopped")
    assert settle_drain()
