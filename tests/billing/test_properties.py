"""Any order of holds, bills, refusals, losses, late bills and moved caps keeps every promise of the ledger."""

from uuid import UUID

import pytest
from django.db import transaction
from django.db.models import Sum
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing import services
from billing.errors import BudgetExceeded, HoldSettled
from billing.models import Entry, Hold, Overage, Scope, Window
from core.ids import new_id
from tests.builders import a_scope

STEPS = st.lists(
    st.tuples(
        st.sampled_from(("hold", "hold", "capture", "capture", "release", "lose", "cap")),
        st.integers(min_value=0, max_value=400),
    ),
    max_size=25,
)


def take(step: str, number: int, *, scope: Scope, calls: list[UUID]) -> None:
    """Do one step; what the ledger refuses is a step too."""
    call_id = calls[number % len(calls)] if calls else new_id()
    match step:
        case "hold":
            calls.append(new_id())
            services.place_hold(scopes=[scope.id], bound_microusd=number, call_id=calls[-1])
        case "cap":
            services.set_limit(scope, period="life", cap_microusd=number * 3)
        case _ if not Hold.objects.filter(call_id=call_id).exists():
            return
        case "capture":
            services.capture_hold(call_id, cost_microusd=number)
        case "release":
            services.release_hold(call_id)
        case "lose":
            services.lose_hold(call_id)


def check(scope: Scope, *, entries_before: int) -> None:
    """Compare windows, holds and ledger."""
    window = Window.objects.filter(scope=scope).first()
    holds = [hold for hold in Hold.objects.all() if scope in stands_for(hold)]
    held = sum(hold.bound_microusd for hold in holds if hold.state == Hold.State.HELD)
    if window:
        assert window.held_microusd == held
        assert window.spent_microusd == Entry.objects.total_microusd() - entries_before
        assert window.spent_microusd + window.held_microusd <= window.amount_microusd
    captured = [hold for hold in holds if hold.state == Hold.State.CAPTURED]
    assert all(sum_of(hold) + excess_of(hold) >= 0 for hold in captured)
    assert all(sum_of(hold) <= hold.bound_microusd for hold in captured)


def stands_for(hold: Hold) -> list[Scope]:
    """Return whose windows this hold stands in."""
    return [window.scope for window in Window.objects.filter(id__in=hold.windows).select_related("scope")]


def sum_of(hold: Hold) -> int:
    """Return what the ledger says that this hold's call cost."""
    return Entry.objects.filter(call_id=hold.call_id).total_microusd()


def excess_of(hold: Hold) -> int:
    """Return what its bill said above the bound."""
    return Overage.objects.filter(call_id=hold.call_id).aggregate(total=Sum("excess_microusd"))["total"] or 0


@pytest.mark.django_db
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_spent_plus_held_never_passes_a_window_and_the_ledger_tells_the_same(
    steps: list[tuple[str, int]],
) -> None:
    scope, calls = a_scope(life=1_000), list[UUID]()
    before = Entry.objects.total_microusd()

    for step, number in steps:
        try:
            with transaction.atomic():
                take(step, number, scope=scope, calls=calls)
        except (BudgetExceeded, HoldSettled):
            pass
        check(scope, entries_before=before)
