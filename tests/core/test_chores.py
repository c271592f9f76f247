"""Chores: each is done when it is due, by one process, whatever the others do."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils import timezone
from time_machine import travel

from core.models import DueChore
from core.registry import chores, every
from core.services.chores import do_due_chores

pytestmark = pytest.mark.django_db

done: list[str] = []


@every(10, name="test.sweep")
def sweep() -> None:
    """Look around once more while it is at work: whoever looks then finds it taken."""
    done.append("sweep")
    do_due_chores()


@every(10, name="test.fail")
def fail() -> None:
    """Fail."""
    done.append("fail")
    raise ZeroDivisionError


@every(10, name="test.water")
def water() -> None:
    """Come after the one that fails."""
    done.append("water")


@every(10, name="test.blame", patience_s=30)
def blame() -> None:
    """Blame who was not heard of."""
    done.append("blame")


@pytest.fixture(autouse=True)
def only_ours() -> Iterator[None]:
    """Let the factory's own chores be done already."""
    now = timezone.now()
    DueChore.objects.bulk_create(
        DueChore(name=chore.name, due_at=now + timedelta(seconds=chore.every_s))
        for chore in chores()
        if not chore.name.startswith("test.")
    )
    done.clear()
    with travel(now, tick=False):
        yield


def test_a_due_chore_is_done_once_however_many_look() -> None:
    do_due_chores()
    do_due_chores()

    assert sorted(done) == ["blame", "fail", "sweep", "water"]


def test_a_chore_comes_again_when_its_time_is_over() -> None:
    do_due_chores()

    with travel(timezone.now() + timedelta(seconds=11), tick=False):
        DueChore.objects.exclude(name__startswith="test.").update(
            due_at=timezone.now() + timedelta(seconds=0.5)
        )
        do_due_chores()

    assert done.count("water") == 2


def test_a_clock_that_is_turned_back_does_not_stop_the_chores() -> None:
    do_due_chores()

    with travel(timezone.now() - timedelta(minutes=5), tick=False):
        DueChore.objects.exclude(name__startswith="test.").update(
            due_at=timezone.now() + timedelta(seconds=0.5)
        )
        do_due_chores()

    assert done.count("water") == 2


def test_a_chore_that_another_process_took_since_we_looked_is_left_to_it() -> None:
    do_due_chores()
    DueChore.objects.filter(name="test.water").update(due_at=timezone.now() - timedelta(seconds=1))
    done.clear()

    assert do_due_chores() == 1
    assert do_due_chores() == 0
    assert done == ["water"]


def test_after_a_standstill_nobody_is_blamed_before_he_could_speak_and_then_once() -> None:
    do_due_chores()
    DueChore.objects.filter(name="test.blame").update(due_at=timezone.now() - timedelta(seconds=31))
    done.clear()

    do_due_chores()
    at_once = list(done)
    with travel(timezone.now() + timedelta(seconds=90), tick=False):
        do_due_chores()

    assert at_once == []
    assert done.count("blame") == 1
