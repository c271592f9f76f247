"""Facts reach their handlers once, and a bad handler loses nothing."""

from datetime import timedelta

import pytest
import time_machine
from django.db import transaction
from django.utils import timezone

from core.models import AuditRow, Event
from core.services import audit, handles, publish, relay_waiting
from core.services.outbox import relay_event

pytestmark = pytest.mark.django_db


@handles("test.counted")
def count(event: Event) -> None:
    """Leave a row for each delivery."""
    audit(actor="test", verb="counted", subject=str(event.facts["n"]))


@handles("test.failing")
def fail(event: Event) -> None:
    """Leave a row, then fail."""
    audit(actor="test", verb="failing", subject="row that must not stay")
    raise ValueError(event.kind)


def test_a_fact_is_delivered_once_however_often_the_relay_runs() -> None:
    publish("test.counted", n=1)

    delivered = [relay_waiting(), relay_waiting()]

    assert delivered == [1, 0]
    assert AuditRow.objects.filter(verb="counted").count() == 1


def test_a_fact_of_an_undone_transaction_never_was() -> None:
    with transaction.atomic():
        publish("test.counted", n=2)
        transaction.set_rollback(True)

    assert not Event.objects.exists()


def test_a_failing_handler_undoes_its_rows_and_is_tried_later_then_parked() -> None:
    event = publish("test.failing")

    with time_machine.travel(event.created_at, tick=False) as clock:
        for _ in range(12):
            relay_waiting()
            clock.shift(400)

    event.refresh_from_db()
    assert not AuditRow.objects.filter(verb="failing").exists()
    assert (event.tries, event.delivered_at, event.error) == (10, None, "ValueError: test.failing")
    assert event.parked_at is not None


def test_a_failing_fact_does_not_hold_up_the_next_one() -> None:
    publish("test.failing")
    publish("test.counted", n=3)

    assert relay_waiting() == 1


def test_what_a_clock_that_was_ahead_wrote_is_delivered_at_once_when_it_is_right_again() -> None:
    with time_machine.travel(timezone.now() + timedelta(minutes=5), tick=False):
        publish("test.counted", n=4)
        publish("test.failing")
        relay_failing_once()

    relay_waiting()

    assert AuditRow.objects.filter(verb="counted", subject="4").count() == 1
    assert Event.objects.get(kind="test.failing").tries == 2


def relay_failing_once() -> None:
    """Let the relay try the fact that fails, and nothing else."""
    relay_event(Event.objects.get(kind="test.failing"))
