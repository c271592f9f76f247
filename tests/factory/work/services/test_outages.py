"""A service that does not answer costs no attempt: what needs it waits, and one task finds out when it is back."""

from datetime import timedelta
from errno import ENOSPC

import pytest
import time_machine
from django.utils import timezone

from agents.gateway.errors import AllProvidersDown, ProvidersUnreachable
from core.models import Event
from core.registry import Outcome
from factory.delivery.errors import EdgeUnavailable, NotServed
from factory.work.models import Outage, Task
from factory.work.services import clear_outages, note_outage, shut_kinds
from factory.work.services.engine import failure_of
from tests.builders import a_task
from tests.factory.work.hands import an_agents_task, carry_out, take

pytestmark = pytest.mark.django_db
OUT = Outcome(kind="failed", error="no line", error_class="transient", misses="gateway")


def test_refusals_say_which_service_they_miss() -> None:
    missed = [
        failure_of(error()).misses
        for error in (ProvidersUnreachable, AllProvidersDown, EdgeUnavailable, NotServed)
    ]

    assert missed == ["gateway", "", "edge", ""]
    assert failure_of(OSError(ENOSPC, "No space left on device")).misses == "disk"


def test_the_attempt_is_not_counted_and_others_that_need_it_are_not_begun() -> None:
    first, second = an_agents_task(), an_agents_task()
    carry_out(OUT)

    nobody = take()
    job = a_task(kind="test.nothing")
    somebody = carry_out()

    assert (nobody, somebody is not None and somebody.reuse_key) == (None, job.pk)
    assert set(Task.objects.exclude(pk=job.pk).values_list("state", "failures")) == {("ready", 0)}
    assert {first.attempts.count(), second.attempts.count()} == {0, 1}
    assert Outage.objects.get().words == "no line"


def test_after_a_while_one_try_finds_out_and_waits_twice_as_long_up_to_a_minute() -> None:
    an_agents_task()
    waits = []
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for _ in range(6):
            assert carry_out(OUT) is not None
            outage = Outage.objects.get()
            waits.append((outage.until - timezone.now()).total_seconds())
            clock.shift(timedelta(seconds=waits[-1]))

        done = carry_out()

    assert waits == [5, 10, 20, 40, 60, 60]
    assert done is not None
    assert Task.objects.get().state == "completed"
    assert Event.objects.filter(kind="work.service_missed").count() == 1


def test_several_tries_at_once_count_as_one() -> None:
    for _ in range(3):
        note_outage("edge", kind="delivery.launch", words="gone")

    assert Outage.objects.get().tries == 1
    note_outage("edge", kind="delivery.other", words="gone")
    assert shut_kinds() == {"delivery.launch", "delivery.other"}


def test_an_outage_nobody_notices_again_is_over_and_told() -> None:
    note_outage("edge", kind="delivery.launch", words="gone")
    too_early = clear_outages()

    with time_machine.travel(timezone.now() + timedelta(seconds=126)):
        over = clear_outages(), clear_outages()

    assert (too_early, over, Outage.objects.count()) == (0, (1, 0), 0)
    assert Event.objects.get(kind="work.service_returned").facts == {"service": "edge"}
