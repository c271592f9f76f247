"""What two apps say of the same money must be the same."""

import pytest
import time_machine
from django.utils import timezone

from agents.gateway.models import Call
from billing.models import Entry
from billing.services import book_entry, factory_scope
from core.ids import new_id
from core.services import found_installation
from factory.insight.checks import SETTLING, calls_and_ledger
from tests.factory.console.story import a_story

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def a_past_of_calls(db: None) -> None:
    """Fill a factory whose calls are all settled."""
    found_installation("rehearsal")
    a_story()


def test_a_factory_that_worked_has_every_call_in_its_ledger() -> None:
    with time_machine.travel(timezone.now() + 2 * SETTLING):
        assert Call.objects.count() > 0
        assert calls_and_ledger().state == "fine"


def test_a_call_booked_at_another_cost_is_found() -> None:
    Call.objects.filter(pk=Call.objects.latest("started_at").pk).update(cost_microusd=1)

    with time_machine.travel(timezone.now() + 2 * SETTLING):
        assert calls_and_ledger().state == "fail"


def test_an_entry_of_a_call_that_nobody_made_is_found() -> None:
    book_entry(factory_scope(), kind=Entry.Kind.MODEL_CALL, ref="call:x", amount_microusd=1, call_id=new_id())

    with time_machine.travel(timezone.now() + 2 * SETTLING):
        assert calls_and_ledger().state == "fail"
