"""Processes: alive while they say so."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from core.models import Process
from core.services import mark_gone, mark_seen

pytestmark = pytest.mark.django_db


def test_a_process_that_says_nothing_for_90_seconds_is_silent() -> None:
    mark_seen("a:1", kind="worker", queues={"cloud", "build"})
    mark_seen("a:1", kind="worker", queues={"cloud", "build"})

    now, row = timezone.now(), Process.objects.get()
    assert row.queues == ["build", "cloud"]
    assert [Process.objects.alive(now + timedelta(seconds=s)).count() for s in (0, 89, 91)] == [1, 1, 0]
    assert [Process.objects.silent(now + timedelta(seconds=s)).count() for s in (0, 89, 91)] == [0, 0, 1]


def test_who_ends_in_order_is_not_missed() -> None:
    mark_seen("a:1", kind="web")
    mark_gone("a:1")

    assert not Process.objects.exists()


def test_who_was_not_seen_for_a_day_is_forgotten_when_the_next_one_comes() -> None:
    mark_seen("a:1", kind="web")

    with time_machine.travel(timezone.now() + timedelta(hours=25)):
        mark_seen("a:2", kind="web")

    assert [one.name for one in Process.objects.all()] == ["a:2"]
