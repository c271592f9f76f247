"""The checks of billing see what is wrong, and the ticker clears what is late."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from billing import checks
from billing.models import Entry, Window
from billing.services import capture_hold, factory_scope, place_hold
from core.ids import new_id
from core.registry import chores
from tests.builders import a_scope

pytestmark = pytest.mark.django_db


def a_call(*, cost: int | None = 40) -> None:
    """Hold 100 for a call and book it, unless its cost is None."""
    call_id = new_id()
    place_hold(scopes=[a_scope().id], bound_microusd=100, call_id=call_id)
    if cost is not None:
        capture_hold(call_id, cost_microusd=cost)


def test_an_orderly_ledger_is_fine() -> None:
    a_call()

    found = {check().state for check in (checks.ledger, checks.holds, checks.bills)}

    assert found == {"fine"}


def test_a_window_that_tells_another_sum_than_the_ledger_is_found() -> None:
    a_call()
    Window.objects.filter(scope=factory_scope(), period="month").update(spent_microusd=41)

    assert checks.ledger().state == "fail"


def test_a_bill_above_its_bound_is_for_a_person() -> None:
    a_call(cost=101)

    assert checks.bills().state == "warn"


def test_the_ticker_books_what_nobody_settled() -> None:
    a_call(cost=None)
    chore = next(chore for chore in chores() if chore.name == "billing.expire_holds")

    with time_machine.travel(timezone.now() + timedelta(seconds=901)):
        late = checks.holds().state
        chore.run()
        after = checks.holds().state

    assert (late, after) == ("warn", "fine")
    assert Entry.objects.lost().total_microusd() == 100
