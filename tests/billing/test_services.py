"""Holds: all windows or none, settled once, whatever comes when."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
import time_machine
from django.db import IntegrityError
from django.db.models import Sum
from django.utils import timezone

from billing import services
from billing.errors import BudgetBusy, BudgetExceeded, CeilingPassed, HoldSettled, LimitsUnreadable
from billing.models import CostHour, Entry, Hold, Limit, Overage, Scope, Window
from billing.rules import CEILING_MICROUSD
from core.adapters.processes import process_name
from core.errors import BadArguments, NotFound
from core.ids import new_id
from core.models import Event
from tests.builders import a_factory_limit, a_scope

pytestmark = pytest.mark.django_db


def window(scope: Scope, period: str = "life") -> Window:
    """Return the newest window of `scope`."""
    return Window.objects.filter(scope=scope, period=period).latest("starts_at")


def taken(scope: Scope, period: str = "life") -> tuple[int, int]:
    """Return (spent, held) of the newest window of `scope`."""
    newest = window(scope, period)
    return newest.spent_microusd, newest.held_microusd


def hold(*scopes: Scope, bound: int = 100) -> UUID:
    """Place a hold for a new call and return the call's id."""
    call_id = new_id()
    services.place_hold(scopes=[scope.id for scope in scopes], bound_microusd=bound, call_id=call_id)
    return call_id


def test_a_hold_stands_in_every_window_of_its_scopes_and_of_the_factory() -> None:
    task, product, agent = a_scope(), a_scope(kind="product"), a_scope(kind="agent", ref="Rex")

    hold(task, product, agent)

    factory = services.factory_scope()
    held = [taken(task), taken(product), taken(agent, "day"), taken(factory, "day"), taken(factory, "month")]
    assert held == [(0, 100)] * 5


def test_a_hold_that_one_window_refuses_stands_in_none() -> None:
    roomy, tight = a_scope(life=1_000), a_scope(life=99)

    with pytest.raises(BudgetExceeded) as refused:
        hold(roomy, tight)

    assert refused.value.facts["layer"] == f"{tight} in all"
    assert Window.objects.filter(held_microusd__gt=0).count() == 0
    assert Hold.objects.count() == 0


def test_a_refusal_that_waiting_would_cure_says_so() -> None:
    task = a_scope(life=150)
    hold(task)

    with pytest.raises(BudgetBusy):
        hold(task)
    with pytest.raises(BudgetExceeded) as never:
        hold(task, bound=151)

    assert type(never.value) is BudgetExceeded


def test_one_call_above_the_callers_call_limit_is_refused() -> None:
    echo = a_scope(kind="agent", ref="Echo")

    with pytest.raises(BudgetExceeded) as refused:
        hold(echo, bound=50_001)

    assert refused.value.facts["layer"] == "one call"


def test_a_repeated_call_holds_once() -> None:
    task, call_id = a_scope(), new_id()

    services.place_hold(scopes=[task.id], bound_microusd=100, call_id=call_id)
    services.place_hold(scopes=[task.id], bound_microusd=999, call_id=call_id)

    assert Hold.objects.get(call_id=call_id).bound_microusd == 100
    assert taken(task) == (0, 100)


def test_capture_books_the_cost_once_and_gives_the_rest_back() -> None:
    task, product = a_scope(), a_scope(kind="product")
    call_id, story = hold(task, product), new_id()

    first = services.capture_hold(call_id, cost_microusd=40, agent="Rex", correlation_id=story)
    again = services.capture_hold(call_id, cost_microusd=70, agent="Rex", correlation_id=story)

    assert first == again == 40
    entry = Entry.objects.get(call_id=call_id)
    assert (entry.scope, entry.amount_microusd, entry.correlation_id) == (product, 40, story)
    assert taken(task) == taken(product) == (40, 0)


def test_release_gives_everything_back_and_a_late_bill_is_refused() -> None:
    task = a_scope()
    call_id = hold(task)

    services.release_hold(call_id)
    services.release_hold(call_id)

    assert taken(task) == (0, 0)
    with pytest.raises(HoldSettled):
        services.capture_hold(call_id, cost_microusd=40)


def test_a_bill_above_its_bound_is_booked_at_the_bound_and_shown() -> None:
    task = a_scope(life=100)
    call_id = hold(task)

    assert services.capture_hold(call_id, cost_microusd=130) == 100

    assert taken(task) == (100, 0)
    assert Overage.objects.get(call_id=call_id).excess_microusd == 30


def test_a_hold_nobody_settles_is_spent_at_its_bound_and_named_lost() -> None:
    agent = a_scope(kind="agent", ref="Rex")
    call_id = hold(agent)

    assert services.expire_holds() == 0
    with time_machine.travel(timezone.now() + timedelta(seconds=901)):
        assert services.expire_holds() == 1
        assert services.expire_holds() == 0

    entry = Entry.objects.lost().get()
    assert (entry.call_id, entry.amount_microusd, entry.agent) == (call_id, 100, "Rex")
    assert Event.objects.get(kind="billing.hold_lost").facts["call_id"] == str(call_id)


def test_a_cost_found_after_its_hold_was_lost_corrects_window_and_ledger() -> None:
    task = a_scope()
    call_id = hold(task)
    services.lose_hold(call_id)

    found = services.capture_hold(call_id, cost_microusd=40)
    again = services.capture_hold(call_id, cost_microusd=40)

    assert found == again == 40
    assert taken(task) == (40, 0)
    assert Entry.objects.total_microusd() == 40
    assert Entry.objects.lost().total_microusd() == 0


def test_what_is_corrected_was_booked_for_the_model_and_the_agent_it_is_corrected_for() -> None:
    call_id = new_id()
    agent = a_scope(kind="agent", ref="Rex")
    services.place_hold(
        scopes=[agent.id], bound_microusd=100, call_id=call_id, provider="northlight", model="nl-1"
    )
    with time_machine.travel(timezone.now() + timedelta(seconds=901)):
        services.expire_holds()
        services.capture_hold(call_id, cost_microusd=40, agent="Rex", facts={"asked": "nl-1"})

    sums = CostHour.objects.values_list("agent", "item").annotate(total=Sum("amount_microusd")).order_by()
    assert list(sums) == [("Rex", "nl-1", 40)]


def test_a_call_found_to_be_free_after_its_hold_was_lost_costs_nothing() -> None:
    task = a_scope()
    call_id = hold(task)
    services.lose_hold(call_id)

    services.release_hold(call_id)
    services.release_hold(call_id)

    assert taken(task) == (0, 0)
    assert Entry.objects.total_microusd() == Entry.objects.lost().total_microusd() == 0


def calls_by_day() -> list[tuple[date, int, int]]:
    """Return the calls and what they cost by day, as the sums of the hours say it."""
    days = CostHour.objects.order_by("day").values_list("day")
    return list(days.annotate(calls=Sum("entries"), cost=Sum("amount_microusd")))


@pytest.mark.parametrize("days_later", [0, 1])
def test_a_lost_call_that_is_corrected_stays_one_call(days_later: int) -> None:
    call_id, noon = hold(a_scope()), datetime(2026, 11, 28, 12, tzinfo=UTC)
    with time_machine.travel(noon, tick=False):
        services.lose_hold(call_id, agent="Rex", facts={"asked": "nl-1"})
    later = noon + timedelta(days=days_later, hours=1)

    with time_machine.travel(later, tick=False):
        services.capture_hold(call_id, cost_microusd=40, agent="Rex", facts={"asked": "nl-2"})

    told = calls_by_day()
    assert sum(calls for _, calls, _ in told) == 1
    assert (told[-1][0], told[-1][1]) == (later.date(), 1)
    assert sum(cost for _, _, cost in told) == Entry.objects.total_microusd() == 40
    assert dict(CostHour.objects.values_list("item").annotate(Sum("entries"))) == {"nl-1": 0, "nl-2": 1}


def test_a_lost_call_that_was_free_counts_as_none() -> None:
    call_id, noon = hold(a_scope()), datetime(2026, 11, 28, 12, tzinfo=UTC)
    with time_machine.travel(noon, tick=False):
        services.lose_hold(call_id)

    with time_machine.travel(noon + timedelta(days=1), tick=False):
        services.release_hold(call_id)

    assert calls_by_day() == [(noon.date(), 0, 100), ((noon + timedelta(days=1)).date(), 0, -100)]


def test_a_correction_is_booked_also_where_the_hour_of_what_it_corrects_counts_nothing() -> None:
    call_id = hold(a_scope())
    services.lose_hold(call_id)
    CostHour.objects.update(entries=0)

    assert services.capture_hold(call_id, cost_microusd=40) == 40
    assert Entry.objects.total_microusd() == 40


def test_holds_of_dead_processes_are_settled_and_those_of_living_and_unknown_ones_are_not() -> None:
    task = a_scope()
    dead, ours, elsewhere = hold(task), hold(task), hold(task)
    name = process_name()
    Hold.objects.filter(call_id=dead).update(owner=f"{name.rpartition(':')[0]}:1")
    Hold.objects.filter(call_id=elsewhere).update(owner="another:boot:1:2:3")

    assert services.settle_orphans() == 1

    states = dict(Hold.objects.values_list("call_id", "state"))
    assert (states[ours], states[elsewhere]) == (Hold.State.HELD, Hold.State.HELD)
    assert taken(task) == (100, 200)


def test_a_hold_belongs_to_the_day_it_was_placed_in() -> None:
    agent = a_scope(kind="agent", ref="Rex", day=150)
    with time_machine.travel(datetime(2026, 9, 30, 23, 59, 59, tzinfo=UTC), tick=False) as clock:
        late = hold(agent)
        clock.shift(2)
        hold(agent)
        services.capture_hold(late, cost_microusd=90)

    days = Window.objects.filter(scope=agent).order_by("starts_at")
    assert [(d.starts_at.day, d.spent_microusd, d.held_microusd) for d in days] == [(30, 90, 0), (1, 0, 100)]


def test_a_lowered_limit_keeps_what_is_committed_and_refuses_the_next() -> None:
    task = a_scope(life=1_000)
    call_id = hold(task, bound=600)

    services.set_limit(task, period="life", cap_microusd=300)

    assert (window(task).cap_microusd, window(task).amount_microusd) == (300, 600)
    with pytest.raises(BudgetExceeded):
        hold(task, bound=1)
    services.capture_hold(call_id, cost_microusd=200)
    hold(task, bound=100)
    assert taken(task) == (200, 100)


def test_a_raised_limit_counts_at_once() -> None:
    task = a_scope(life=100)
    hold(task)

    services.set_limit(task, period="life", cap_microusd=200)
    hold(task)

    assert taken(task) == (0, 200)


def test_no_service_and_no_row_passes_the_ceiling_of_a_day() -> None:
    agent = a_scope(kind="agent", ref="Rex")

    with pytest.raises(CeilingPassed):
        services.set_limit(agent, period="day", cap_microusd=CEILING_MICROUSD + 1)
    with pytest.raises(IntegrityError, match="limit_below_ceiling"):
        Limit.objects.filter(scope=agent, period="day").update(cap_microusd=CEILING_MICROUSD + 1)


def test_the_database_itself_refuses_to_pass_a_window() -> None:
    task = a_scope(life=100)
    hold(task)

    with pytest.raises(IntegrityError, match="window_is_never_passed"):
        Window.objects.filter(scope=task).update(spent_microusd=1)


def test_the_database_itself_refuses_a_second_scope_of_one_thing() -> None:
    a_scope(kind="task", ref="t1")

    with pytest.raises(IntegrityError):
        Scope.objects.create(kind="task", ref="t1", label="again", mode="rehearsal")


def test_without_a_limit_for_the_factorys_day_nothing_is_held() -> None:
    task = a_scope()
    Limit.objects.filter(scope=services.factory_scope(), period="day").delete()

    with pytest.raises(LimitsUnreadable):
        hold(task)

    assert Hold.objects.count() == 0


def test_unknown_scopes_negative_bounds_and_unknown_calls_are_refused() -> None:
    with pytest.raises(NotFound):
        services.place_hold(scopes=[new_id()], bound_microusd=1, call_id=new_id())
    with pytest.raises(BadArguments):
        hold(a_scope(), bound=-1)
    with pytest.raises(NotFound):
        services.capture_hold(new_id(), cost_microusd=1)


def test_scopes_start_with_the_limits_of_the_table_and_agents_with_their_profile() -> None:
    hawk, task = a_scope(kind="agent", ref="Hawk"), a_scope()
    again = services.open_scope(kind="task", ref=task.ref, label="another name")

    caps = dict(hawk.limits.values_list("period", "cap_microusd"))
    assert caps == {"day": 30_000_000, "call": 2_000_000}
    assert services.call_cap([hawk.id, task.id]) == 2_000_000
    assert again == task


def test_the_factory_refuses_what_its_day_refuses_whoever_asks() -> None:
    a_factory_limit(day=150)
    hold(a_scope())

    with pytest.raises(BudgetBusy) as refused:
        hold(a_scope())

    assert refused.value.facts["layer"] == "Factory per day"
