"""What the owner is told of money: once for each line and period, and of what is out of proportion."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from billing.adapters.alerts import alert_table
from billing.models import MoneyAlert, Scope
from billing.rules import Room, lines_passed, month_forecast
from billing.services import (
    book_entry,
    capture_hold,
    clear_switch,
    factory_scope,
    forecast_of_month,
    open_switches,
    place_hold,
    watch_limits,
    watch_pace,
)
from core.ids import new_id
from core.models import Event
from tests.builders import a_factory_limit, a_scope

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
USD = 1_000_000


def spend(usd: float, *, scope: Scope | None = None) -> None:
    """Pay for one call."""
    call, amount = new_id(), round(usd * USD)
    place_hold(scopes=[scope.pk] if scope else [], bound_microusd=amount, call_id=call)
    capture_hold(call, cost_microusd=amount, agent=scope.ref if scope and scope.kind == "agent" else "")


def told(rule: str) -> list[tuple[int, str]]:
    """Return the lines and levels that were told under a rule, in their order."""
    return list(MoneyAlert.objects.filter(rule=rule).order_by("at", "line").values_list("line", "level"))


@pytest.mark.django_db
def test_each_line_of_a_day_is_told_once_and_again_on_the_next_day() -> None:
    a_factory_limit(day=100 * USD, month=3_000 * USD)
    seen: list[int] = []
    with time_machine.travel(datetime(2026, 3, 10, 23, 50, tzinfo=UTC), tick=False) as clock:
        for usd in (49, 1, 29, 1, 14, 1, 4, 1):
            spend(usd)
            watch_limits()
            seen.append(len(told("day")))
            assert watch_limits() == 0
        clock.shift(timedelta(minutes=15))
        assert watch_limits() == 0
        spend(50)
        watch_limits()

    assert seen == [0, 1, 1, 2, 2, 3, 3, 4]
    lines = [(50, "info"), (80, "warning"), (95, "warning"), (100, "critical")]
    assert told("day") == [*lines, (50, "info")]
    assert told("factory_day") == [(30, "info"), (50, "warning"), (30, "info"), (50, "warning")]
    facts = Event.objects.filter(kind="billing.money_alert")
    assert facts.count() == MoneyAlert.objects.count()


@pytest.mark.django_db
def test_a_line_that_is_passed_on_the_stroke_of_midnight_is_told_the_day_after() -> None:
    a_factory_limit(day=100 * USD, month=3_000 * USD)
    with time_machine.travel(datetime(2026, 3, 10, 23, 59, 58, tzinfo=UTC), tick=False) as clock:
        spend(40)
        call = new_id()
        place_hold(scopes=[], bound_microusd=60 * USD, call_id=call)
        clock.shift(timedelta(seconds=10))
        capture_hold(call, cost_microusd=15 * USD)
        first = watch_limits(), told("day"), told("factory_day")
        clock.shift(timedelta(minutes=59))
        again = watch_limits()

    assert first == (3, [(50, "info")], [(30, "info"), (50, "warning")])
    assert again == 0
    assert MoneyAlert.objects.get(rule="day").starts_at == datetime(2026, 3, 10, tzinfo=UTC)


@pytest.mark.django_db
def test_agents_and_ventures_have_lines_and_a_task_has_none() -> None:
    a_factory_limit(day=1_000 * USD, month=3_000 * USD)
    for kind in ("agent", "product", "task"):
        spend(4, scope=a_scope(kind=kind, ref=kind, life=5 * USD, day=5 * USD, call=5 * USD))
    watch_limits()

    found = MoneyAlert.objects.order_by("scope__kind", "rule", "line")
    assert list(found.values_list("scope__kind", "rule", "line")) == [
        (kind, rule, line) for kind in ("agent", "product") for rule in ("day", "life") for line in (50, 80)
    ]


@pytest.mark.django_db
def test_what_is_held_counts_only_where_nothing_more_fits() -> None:
    a_factory_limit(day=100 * USD)
    place_hold(scopes=[], bound_microusd=99 * USD, call_id=new_id())
    early = watch_limits()
    place_hold(scopes=[], bound_microusd=1 * USD, call_id=new_id())
    watch_limits()

    assert (early, told("day")) == (0, [(100, "critical")])


@pytest.mark.django_db
def test_a_month_that_is_heading_for_too_much_is_told_at_each_of_its_amounts_once() -> None:
    a_factory_limit(day=3_000 * USD, month=30_000 * USD)
    with time_machine.travel(datetime(2026, 3, 1, tzinfo=UTC), tick=False) as clock:
        spend(40)
        clock.shift(timedelta(days=1))
        first = (forecast_of_month(timezone.now()), watch_limits(), told("forecast"))
        spend(400)
        clock.shift(timedelta(days=1))
        watch_limits()
        watch_limits()

    assert first[0] == 40 * USD + 40 * USD * 29  # one full day is known, today and 29 days are left
    assert first[2] == []
    assert told("forecast") == [(1500, "warning"), (3000, "critical")]


def test_a_forecast_is_what_is_spent_and_the_mean_of_seven_full_days_for_each_day_left() -> None:
    days = [7, 1, 2, 3, 4, 5, 6, 7]

    assert month_forecast(100, full_days=days, today_microusd=9, now=NOON) == 100 + 4 * 21
    assert month_forecast(9, full_days=[], today_microusd=9, now=NOON) == 9 + 9 * 21


def work(agent: str, *, usd: float, at: datetime) -> None:
    """Let a call of this agent be paid at this time."""
    book_entry(
        a_scope(kind="agent", ref=agent), kind="model_call", ref=str(new_id()), amount_microusd=round(usd * USD), at=at, agent=agent,
    )  # fmt: skip


@pytest.mark.django_db
def test_an_agent_at_more_than_three_times_its_pace_is_told_of_once_an_hour_and_a_new_one_is_not_judged() -> (
    None
):
    for hour in range(1, 5):
        work("Rex", usd=1.2, at=NOON - timedelta(hours=hour))  # ten cents in five minutes
        work("Hawk", usd=12, at=NOON - timedelta(hours=hour))  # a dollar
    with time_machine.travel(NOON + timedelta(minutes=30), tick=False):
        for agent in ("Rex", "Hawk", "Dot"):
            work(agent, usd=1, at=NOON + timedelta(minutes=29))
        watch_pace()
        watch_pace()

        off = open_switches()
        clear_switch("agent", "Rex", by="owner:ada")
        watch_pace()
        resumed = open_switches()

    assert list(MoneyAlert.objects.filter(rule="agent_pace").values_list("scope__ref", flat=True)) == ["Rex"]
    assert resumed == []
    rest = NOON + timedelta(minutes=40)
    assert [(one.kind, one.ref, one.by, one.until) for one in off] == [("agent", "Rex", "velocity", rest)]


@pytest.mark.django_db
def test_an_agent_that_worked_for_less_than_two_full_hours_has_no_usual_pace_to_leave() -> None:
    work("Rex", usd=0.01, at=NOON - timedelta(minutes=2))
    with time_machine.travel(NOON + timedelta(minutes=30), tick=False):
        work("Rex", usd=4, at=NOON + timedelta(minutes=29))
        watch_pace()

        assert not open_switches()


@pytest.mark.django_db
@pytest.mark.parametrize(("before", "now", "times"), [(1, 3.1, 1), (1, 3.0, 0), (0.1, 1.9, 0)])
def test_an_hour_of_the_factory_above_three_times_the_hour_before_and_two_dollars_is_told(
    before: float, now: float, times: int
) -> None:
    factory_scope()
    work("Rex", usd=before, at=NOON - timedelta(minutes=30))
    work("Hawk", usd=now, at=NOON + timedelta(minutes=5))
    with time_machine.travel(NOON + timedelta(minutes=40), tick=False):
        watch_pace()

    assert len(told("factory_hour")) == times


@pytest.mark.django_db
def test_a_day_of_an_agent_that_stands_out_of_its_week_is_told() -> None:
    for back in range(8, 0, -1):
        work("Rex", usd=4 + back % 2, at=NOON - timedelta(days=back))
        work("Hawk", usd=4 + back % 2, at=NOON - timedelta(days=back))
    work("Rex", usd=5.9, at=NOON)
    work("Hawk", usd=5.0, at=NOON)
    with time_machine.travel(NOON, tick=False):
        watch_pace()

    assert [one.scope.ref for one in MoneyAlert.objects.filter(rule="agent_day")] == ["Rex"]


@given(cap=st.integers(0, 10**9), spent=st.integers(0, 10**9), held=st.integers(0, 10**9))
def test_a_line_is_passed_when_its_share_is_spent(cap: int, spent: int, held: int) -> None:
    found = lines_passed((50, 80, 95, 100), room=Room(cap=cap, spent=spent, held=held))

    assert [line for line in found if line < 100] == [
        n for n in (50, 80, 95) if spent and spent * 100 >= n * cap
    ]
    assert (100 in found) == (spent + held > 0 and spent + held >= cap)


@pytest.mark.parametrize("ask", [lambda: alert_table().lines, lambda: alert_table().factory_day])
def test_the_table_of_alerts_is_the_one_of_the_sheet(ask: Callable[[], dict[int, str]]) -> None:
    assert ask() in ({50: "info", 80: "warning", 95: "warning", 100: "critical"}, {30: "info", 50: "warning"})
