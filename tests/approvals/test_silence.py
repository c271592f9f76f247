"""Two reminders, then silence refuses."""

from datetime import timedelta

import pytest

from approvals.models import Request
from approvals.services import decide_request, expire_requests, remind_owner
from core.models import Event
from tests.approvals.effects import wait
from tests.builders import a_request, a_user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rehearsal")]


def reminders() -> list[object]:
    """Return which reminders were told."""
    told = Event.objects.filter(kind="approvals.owner_reminded").order_by("pk")
    return [event.facts["reminder"] for event in told]


def test_the_owner_is_reminded_after_half_and_nine_tenths_of_the_time_and_refused_at_its_end() -> None:
    request = a_request(action="test.pay")
    seen = []

    for minutes in (119, 1, 95, 1, 23, 1):
        wait(minutes=minutes)
        seen.append((remind_owner(), remind_owner(), expire_requests()))

    assert seen == [(0, 0, 0), (1, 0, 0), (0, 0, 0), (1, 0, 0), (0, 0, 0), (0, 0, 1)]
    assert reminders() == [1, 2]
    assert Request.objects.get(pk=request.pk).state == "expired"


def test_after_a_long_sleep_one_reminder_is_enough() -> None:
    a_request(action="test.pay")
    wait(hours=3, minutes=40)

    assert (remind_owner(), remind_owner(), reminders()) == (1, 0, [2])


def test_nobody_is_reminded_of_what_is_answered() -> None:
    request = a_request(action="test.pay")
    decide_request(request.pk, answer="reject", by=a_user(), digest=request.digest)
    wait(hours=2)

    assert remind_owner() == 0


@pytest.mark.parametrize(("gone_s", "count"), [(0, 0), (49, 0), (50, 1), (89, 1), (90, 2), (200, 2)])
def test_a_question_says_how_often_it_was_reminded_of(gone_s: int, count: int) -> None:
    request = a_request(action="test.pay", deadline_s=100)

    assert request.reminders_at(request.asked_at + timedelta(seconds=gone_s)) == count
