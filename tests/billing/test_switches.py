"""What is switched off takes no money: from the next hold on, whoever switched it, and however."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import time_machine
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from billing import handlers, services
from billing.errors import BudgetBusy, LimitsUnreadable, SwitchSet, SwitchUnknown
from billing.models import Entry, Hold, Pace, Scope, Switch
from core.ids import new_id
from core.models import AuditRow, Event, Installation
from core.services import found_installation, start_again, stop_everything
from tests.builders import a_scope

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _ground() -> None:
    found_installation("rehearsal")


@pytest.fixture
def rex() -> Scope:
    """Return an agent of the build team."""
    return services.open_scope(kind="agent", ref="Rex", label="Rex", parent=services.team_scope("build"))


def hold(*scopes: Scope, bound: int = 100, provider: str = "northlight", model: str = "nl-1") -> UUID:
    """Place a hold for a new call and return the call's id."""
    call_id = new_id()
    services.place_hold(
        scopes=[scope.id for scope in scopes], bound_microusd=bound, call_id=call_id, provider=provider, model=model
    )  # fmt: skip
    return call_id


def spend(*scopes: Scope, usd: float) -> None:
    """Hold and book calls of at most half a dollar each."""
    left = round(usd * 1_000_000)
    while left > 0:
        cost = min(left, 500_000)
        services.capture_hold(hold(*scopes, bound=cost), cost_microusd=cost)
        left -= cost


@pytest.mark.parametrize(
    ("kind", "ref"),
    [
        ("global", "factory"), ("team", "build"), ("agent", "Rex"), ("product", "linkly"), ("provider", "northlight"),
        ("model", "northlight/nl-1"),
    ],
)  # fmt: skip
def test_what_is_switched_off_holds_nothing_until_it_is_on_again(rex: Scope, kind: str, ref: str) -> None:
    linkly = a_scope(kind="product", ref="linkly")
    hold(rex, linkly)

    services.set_switch(kind, ref, by="owner:ada", reason="a bad day")
    with pytest.raises(SwitchSet) as refused:
        hold(rex, linkly)
    elsewhere = Hold.objects.count()
    was_off = services.clear_switch(kind, ref, by="owner:ada")
    hold(rex, linkly)

    assert (refused.value.facts["kind"], refused.value.facts["reason"]) == (kind, "a bad day")
    assert (elsewhere, was_off, services.open_switches()) == (1, True, [])
    assert (
        AuditRow.objects.filter(
            actor="owner:ada", verb__in=("billing.set_switch", "billing.clear_switch")
        ).count()
        == 2
    )


def test_a_switch_stops_nobody_else(rex: Scope) -> None:
    a_scope(kind="agent", ref="Dot")
    for kind, ref in (
        ("agent", "Dot"),
        ("team", "growth"),
        ("provider", "lumen"),
        ("model", "northlight/nl-2"),
    ):
        services.set_switch(kind, ref, by="owner:ada", reason="not these")

    hold(rex)

    assert Hold.objects.open().count() == 1


def test_a_stop_by_other_hands_refuses_every_hold_at_once_and_is_kept_among_the_switches(rex: Scope) -> None:
    stop_everything(by="owner:ada")
    with pytest.raises(SwitchSet):
        hold(rex)
    handlers.note_stop(Event(kind="core.factory_stopped", facts={"by": "owner:ada"}))
    handlers.note_stop(Event(kind="core.factory_stopped", facts={"by": "owner:ada"}))

    start_again(by="owner:ada")
    hold(rex)
    handlers.note_start(Event(kind="core.factory_started", facts={"by": "owner:ada"}))

    kept = Switch.objects.get(kind="global")
    assert (kept.by, kept.cleared_by, kept.cleared_at is not None) == ("owner:ada", "owner:ada", True)


def test_a_stop_counts_though_nobody_heard_yet_that_the_one_before_it_was_ended_elsewhere(rex: Scope) -> None:
    services.set_switch("global", "factory", by="owner:ada", reason="a first look")
    start_again(by="owner:ada")
    services.set_switch("global", "factory", by="owner:ada", reason="a second look")

    with pytest.raises(SwitchSet):
        hold(rex)
    assert [one.reason for one in services.open_switches()] == ["a second look"]


def test_a_row_written_by_nothing_but_the_database_counts_at_the_next_hold(rex: Scope) -> None:
    Switch.objects.create(kind="agent", ref="Rex", by="somebody", reason="by hand in SQL")
    with pytest.raises(SwitchSet):
        hold(rex)
    Switch.objects.all().delete()
    Installation.objects.update(stopped_at=timezone.now())

    with pytest.raises(SwitchSet):
        hold(rex)


def test_a_switch_with_an_end_ends_by_itself(rex: Scope) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        services.set_switch(
            "agent", "Rex", by="owner:ada", reason="lunch", until=NOON + timedelta(minutes=10)
        )
        clock.shift(timedelta(minutes=9, seconds=59))
        with pytest.raises(SwitchSet):
            hold(rex)
        clock.shift(timedelta(seconds=1))
        hold(rex)
        services.tidy_switches()

    assert Switch.objects.get().cleared_by == "its time was over"


def test_a_switch_set_twice_stands_once_and_a_longer_one_wins() -> None:
    until = timezone.now() + timedelta(minutes=10)
    short = services.set_switch("agent", "Rex", by="velocity", reason="fast", until=until)
    again = services.set_switch("agent", "Rex", by="velocity", reason="fast", until=until)
    for_good = services.set_switch("agent", "Rex", by="owner:ada", reason="enough")

    assert (again, services.open_switches()) == (short, [short, for_good])


@pytest.mark.parametrize(
    ("kind", "ref", "reason"), [("agent", "", "x"), ("agent", "Rex", " "), ("room", "x", "x")]
)
def test_nothing_without_a_name_or_a_reason_is_switched(kind: str, ref: str, reason: str) -> None:
    with pytest.raises(SwitchUnknown):
        services.set_switch(kind, ref, by="owner:ada", reason=reason)


def test_open_streams_see_every_change_and_nothing_else(rex: Scope) -> None:
    seen = [services.epoch(), services.epoch()]
    hold(rex)
    seen.append(services.epoch())
    services.set_switch("agent", "Rex", by="owner:ada", reason="enough")
    seen.append(services.epoch())
    against = services.switch_against(scopes=[rex.id])
    services.clear_switch("agent", "Rex", by="owner:ada")
    seen.append(services.epoch())
    stop_everything(by="owner:ada")
    seen.append(services.epoch())
    start_again(by="owner:ada")
    seen.append(services.epoch())

    assert len(set(seen[:3])) == 1
    assert len(set(seen[2:6])) == 4
    assert seen[6] != seen[5]
    assert against is not None
    assert against.ref == "Rex"
    assert services.switch_against(scopes=[rex.id]) is None


def test_open_streams_see_a_switch_that_came_later_with_an_earlier_time(rex: Scope) -> None:
    services.set_switch("agent", "Dot", by="owner:ada", reason="enough")
    seen = services.epoch()

    Switch.objects.create(
        kind="agent", ref="Rex", by="x", reason="x", set_at=timezone.now() - timedelta(seconds=9)
    )

    assert services.epoch() != seen


def test_a_probe_lifts_what_code_set_and_leaves_what_a_person_set() -> None:
    services.set_switch("provider", "lumen", by="health", reason="half of its calls fail", is_auto=True)
    services.set_switch("provider", "northlight", by="owner:ada", reason="too dear")

    lifted = [services.clear_switch("provider", name, by="probe") for name in ("lumen", "northlight")]

    assert lifted == [True, False]
    assert [one.ref for one in services.open_switches()] == ["northlight"]


def test_an_agent_that_spends_more_than_five_dollars_in_five_minutes_pauses_for_ten(rex: Scope) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        spend(rex, usd=5)
        hold(rex)
        spend(rex, usd=0.01)
        with pytest.raises(SwitchSet) as refused:
            hold(rex)
        clock.shift(timedelta(minutes=10))
        hold(rex)

    assert refused.value.facts["reason"] == "$5.01 within five minutes"
    assert Event.objects.filter(kind="billing.switch_set", facts__ref="Rex").count() == 1


def test_an_agent_that_still_passes_fifteen_dollars_stays_off_until_somebody_switches_it_on(
    rex: Scope,
) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        under_way = [hold(rex, bound=500_000) for _ in range(31)]
        for call_id in under_way:
            services.capture_hold(call_id, cost_microusd=500_000)
        clock.shift(timedelta(days=1))
        with pytest.raises(SwitchSet):
            hold(rex)
        services.clear_switch("agent", "Rex", by="owner:ada")
        hold(rex)

    ends = Switch.objects.filter(ref="Rex").order_by("set_at", "id").values_list("until", flat=True)
    assert [end is None for end in ends] == [False, True]


def test_fifty_dollars_in_five_minutes_stop_everything() -> None:
    services.set_limit(services.factory_scope(), period="day", cap_microusd=100_000_000)
    agents = [a_scope(kind="agent", ref=f"A{n}", day=20_000_000, call=5_000_000) for n in range(11)]
    with time_machine.travel(NOON, tick=False):
        under_way = [hold(agent, bound=4_600_000) for agent in agents]
        for call_id in under_way:
            services.capture_hold(call_id, cost_microusd=4_600_000)
        with pytest.raises(SwitchSet) as refused:
            hold(agents[0])

    assert refused.value.facts["kind"] == "global"
    assert Installation.objects.filter(stopped_at__isnull=False).exists()


def test_fifty_dollars_stop_everything_also_where_nobody_heard_that_an_earlier_stop_was_ended() -> None:
    services.set_limit(services.factory_scope(), period="day", cap_microusd=100_000_000)
    agents = [a_scope(kind="agent", ref=f"A{n}", day=20_000_000, call=5_000_000) for n in range(11)]
    with time_machine.travel(NOON, tick=False):
        services.set_switch("global", "factory", by="owner:ada", reason="a look")
        start_again(by="owner:ada")
        for agent in agents:
            services.capture_hold(hold(agent, bound=4_600_000), cost_microusd=4_600_000)

    assert Installation.objects.filter(stopped_at__isnull=False).exists()


def test_who_was_resumed_is_judged_by_what_it_spends_from_then_on(rex: Scope) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        spend(rex, usd=5.1)
        clock.shift(timedelta(seconds=30))
        services.clear_switch("agent", "Rex", by="owner:ada")
        clock.shift(timedelta(seconds=10))
        spend(rex, usd=4.9)
        hold(rex)
        spend(rex, usd=0.2)
        with pytest.raises(SwitchSet) as refused:
            hold(rex)

    assert refused.value.facts["reason"] == "$5.10 within five minutes"


def test_a_table_of_limits_that_breaks_meanwhile_holds_nothing_new_and_loses_no_bill(
    rex: Scope, tmp_path: Path, settings: Any
) -> None:
    first, second, told_late = hold(rex), hold(rex), hold(rex)
    whole = settings.DATA_DIR
    settings.DATA_DIR = tmp_path
    (tmp_path / "limits.yaml").write_text("{velocity: {agent_stop: much}")

    services.capture_hold(first, cost_microusd=40)
    services.release_hold(second)
    with pytest.raises(LimitsUnreadable):
        hold(rex)
    with time_machine.travel(timezone.now() + timedelta(hours=1)):
        lost = services.expire_holds()
    settings.DATA_DIR = whole
    hold(rex)

    assert (lost, Entry.objects.get(call_id=told_late).amount_microusd) == (1, 100)
    assert Entry.objects.get(call_id=first).amount_microusd == 40


def test_five_minutes_later_the_same_money_is_no_hurry_any_more(rex: Scope) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        spend(rex, usd=4.9)
        clock.shift(timedelta(minutes=4, seconds=59))
        pace_then = services.pace_microusd([rex.id])[rex.id]
        clock.shift(timedelta(seconds=21))
        spend(rex, usd=4.9)
        hold(rex)
        services.tidy_switches()

    assert pace_then == 4_900_000
    assert Switch.objects.count() == 0
    assert Pace.objects.exists()


def test_a_lost_call_counts_at_its_bound_for_the_pace(rex: Scope) -> None:
    with time_machine.travel(NOON, tick=False):
        for call_id in [hold(rex, bound=500_000) for _ in range(11)]:
            services.lose_hold(call_id)
        with pytest.raises(SwitchSet):
            hold(rex)

    assert Entry.objects.lost().count() == 11


def test_a_throttle_lets_one_call_at_a_time_through_and_lifts_when_spending_is_calm(rex: Scope) -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        services.set_switch("throttle", "Rex", by="owner:ada", reason="slowly")
        first = hold(rex)
        with pytest.raises(BudgetBusy):
            hold(rex)
        services.capture_hold(first, cost_microusd=100)
        hold(rex)
        services.tidy_switches()
        still = len(services.open_switches())
        clock.shift(timedelta(minutes=6))
        services.tidy_switches()
        hold(rex)

    assert (still, services.open_switches()) == (1, [])


def test_switches_are_kept_a_year() -> None:
    with time_machine.travel(NOON, tick=False) as clock:
        services.set_switch("agent", "Rex", by="owner:ada", reason="old")
        services.clear_switch("agent", "Rex", by="owner:ada")
        services.set_switch("agent", "Dot", by="owner:ada", reason="old, and still off")
        clock.shift(timedelta(days=364))
        services.tidy_switches()
        before = Switch.objects.count()
        clock.shift(timedelta(days=4))
        services.tidy_switches()

    assert (before, Switch.objects.get().ref) == (2, "Dot")


@contextmanager
def without(table: str) -> Iterator[None]:
    """Take a table away while the block runs."""
    with transaction.atomic():
        connection.cursor().execute(f"alter table {table} rename to gone")
        yield


@pytest.mark.parametrize("table", ["billing_switch", "billing_window", "core_installation"])
def test_what_cannot_be_read_refuses_every_call(rex: Scope, table: str) -> None:
    hold(rex)

    with pytest.raises(DatabaseError), without(table):
        hold(rex)

    assert Hold.objects.count() == 1
