"""Health of the queue, in words."""

from datetime import timedelta

import pytest
from django.utils import timezone

from core.registry import Outcome, run_checks
from factory.work.models import Task
from tests.factory.work.hands import an_agents_task, carry_out

pytestmark = pytest.mark.django_db


def test_tasks_that_find_no_worker_for_half_an_hour_are_reported() -> None:
    an_agents_task()
    in_time = run_checks()["work.queue"].state

    Task.objects.update(ready_at=timezone.now() - timedelta(minutes=31))

    late = run_checks()["work.queue"]
    assert (in_time, late.state) == ("fine", "warn")
    assert late.words.startswith("1 task")


def test_tasks_that_were_given_up_are_reported() -> None:
    an_agents_task()
    before = run_checks()["work.dead_letters"].state

    carry_out(Outcome(kind="failed", error_class="permanent"))

    assert (before, run_checks()["work.dead_letters"].state) == ("fine", "warn")
