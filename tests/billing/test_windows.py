"""Windows: opened once, whoever comes first; limited together with those above; moved while calls are open."""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine
from django.db import IntegrityError, connection, transaction

from billing import services
from billing.adapters.windows import WINDOWS, the_windows
from billing.errors import BudgetBusy, BudgetExceeded, HoldSettled, SwitchSet, TierSpent
from billing.models import Entry, Hold, Limit, Overage, Scope, Window
from billing.ports import Bill, Settled, Verdict, Windows, Wish
from core.errors import BadArguments, NotFound
from core.ids import new_id
from core.models import Event
from core.services import advance_to, business_now, found_installation
from tests.builders import a_factory_limit, a_scope
from tests.crowd import together

pytestmark = pytest.mark.django_db
MONTH_END = datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)


def hold(*scopes: Scope, bound: int = 100, tier: str = "") -> UUID:
    """Place a hold for a new call and return the call's id."""
    call_id = new_id()
    services.place_hold(
        scopes=[scope.id for scope in scopes], bound_microusd=bound, call_id=call_id, tier=tier
    )
    return call_id


def taken(scope: Scope, period: str = "day") -> tuple[int, int]:
    """Return (spent, held) of the newest window of `scope`."""
    newest = Window.objects.filter(scope=scope, period=period).latest("starts_at")
    return newest.spent_microusd, newest.held_microusd


def an_agent_of(team: str, name: str) -> Scope:
    """Return an agent whose team pays with it."""
    return services.open_scope(kind="agent", ref=name, label=name, parent=services.team_scope(team))


def test_a_team_limits_its_agents_together() -> None:
    rex, pixel, dot = (
        an_agent_of("build", "Rex"),
        an_agent_of("build", "Pixel"),
        an_agent_of("operations", "Dot"),
    )
    services.set_limit(services.team_scope("build"), period="day", cap_microusd=250)
    services.capture_hold(hold(rex, bound=200), cost_microusd=200)

    with pytest.raises(BudgetExceeded) as refused:
        hold(pixel)
    hold(dot)

    assert refused.value.facts["layer"] == "Build team per day"
    assert taken(services.team_scope("build")) == (200, 0)


def test_an_agent_that_changes_its_team_is_paid_by_the_new_one() -> None:
    rex = an_agent_of("build", "Rex")
    hold(rex)

    hold(an_agent_of("growth", "Rex"))

    assert (taken(services.team_scope("build")), taken(services.team_scope("growth"))) == ((0, 100), (0, 100))


def test_a_spent_tier_says_so_and_work_that_names_none_goes_on() -> None:
    rex = an_agent_of("build", "Rex")
    services.capture_hold(hold(rex, tier="mid"), cost_microusd=100)
    services.set_limit(Scope.objects.get(kind="tier", ref="mid"), period="day", cap_microusd=150)

    with pytest.raises(TierSpent):
        hold(rex, tier="mid")
    hold(rex, tier="budget")
    hold(rex, tier="local")
    hold(rex)

    assert Hold.objects.open().count() == 3


def test_a_hold_grows_in_every_window_or_stays_as_it_is() -> None:
    rex, task = an_agent_of("build", "Rex"), a_scope(life=250)
    call_id = hold(rex, task)

    grown = services.extend_hold(call_id, more_microusd=100)
    with pytest.raises(BudgetBusy):
        services.extend_hold(call_id, more_microusd=51)
    with pytest.raises(BudgetExceeded):
        services.extend_hold(call_id, more_microusd=251)
    with pytest.raises(BadArguments):
        services.extend_hold(call_id, more_microusd=-1)
    services.set_switch("agent", "Rex", by="owner:ada", reason="enough")
    with pytest.raises(SwitchSet):
        services.extend_hold(call_id, more_microusd=1)
    services.clear_switch("agent", "Rex", by="owner:ada")
    services.capture_hold(call_id, cost_microusd=180)

    assert (grown.bound_microusd, Hold.objects.get().bound_microusd) == (200, 200)
    assert taken(rex) == taken(task, "life") == taken(services.factory_scope()) == (180, 0)
    with pytest.raises(HoldSettled):
        services.extend_hold(call_id, more_microusd=1)
    with pytest.raises(NotFound):
        services.extend_hold(new_id(), more_microusd=1)


def test_a_call_over_the_end_of_a_month_belongs_to_the_month_it_began_in() -> None:
    rex, factory = an_agent_of("build", "Rex"), services.factory_scope()
    with time_machine.travel(MONTH_END, tick=False) as clock:
        late, lost, free = hold(rex), hold(rex), hold(rex)
        clock.shift(timedelta(seconds=2))
        hold(rex)
        services.capture_hold(late, cost_microusd=60)
        services.lose_hold(lost)
        services.release_hold(free)
        services.capture_hold(lost, cost_microusd=30)

    def windows(scope: Scope, period: str) -> list[tuple[int, int]]:
        found = Window.objects.filter(scope=scope, period=period).order_by("starts_at")
        return list(found.values_list("spent_microusd", "held_microusd"))

    assert windows(rex, "day") == windows(factory, "day") == windows(factory, "month") == [(90, 0), (0, 100)]
    assert Entry.objects.total_microusd() == 90


def test_business_time_pushed_over_midnight_opens_the_new_day_and_leaves_the_old_one_alone() -> None:
    found_installation("rehearsal")
    rex = an_agent_of("build", "Rex")
    services.set_limit(rex, period="day", cap_microusd=150)
    first = hold(rex)
    advance_to(business_now() + timedelta(days=1))
    second = hold(rex)

    services.capture_hold(second, cost_microusd=100)
    services.capture_hold(first, cost_microusd=100)

    days = Window.objects.filter(scope=rex, period="day").values_list("spent_microusd", flat=True)
    assert list(days) == [100, 100]


class Midnight:
    """Windows before which the day turns as soon as they were looked at once."""

    def __init__(self, windows: Windows, clock: Any) -> None:
        self.windows, self.clock, self.looks = windows, clock, 0

    def place(self, wish: Wish) -> Verdict:
        """Look, and let a second pass."""
        verdict = self.windows.place(wish)
        self.looks += 1
        if self.looks == 1:
            self.clock.shift(1)
        return verdict

    def lock(self) -> None:
        """Lock as ever."""
        self.windows.lock()

    def holding(self) -> AbstractContextManager[None]:
        """Begin as ever."""
        return self.windows.holding()

    def settling(self) -> AbstractContextManager[None]:
        """Begin as ever."""
        return self.windows.settling()

    def settle_alone(self, bill: Bill) -> Settled | None:
        """Settle as ever."""
        return self.windows.settle_alone(bill)

    def settle(self, bill: Bill) -> Settled | None:
        """Settle as ever."""
        return self.windows.settle(bill)


def test_a_day_that_turns_while_its_windows_are_opened_costs_the_call_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rex = an_agent_of("build", "Rex")
    with time_machine.travel(MONTH_END + timedelta(milliseconds=500), tick=False) as clock:
        turning = Midnight(the_windows(), clock)
        monkeypatch.setitem(WINDOWS, connection.vendor, turning)
        hold(rex)

    assert turning.looks == 2
    assert Window.objects.get(scope=rex, held_microusd=100).starts_at == datetime(2026, 12, 1, tzinfo=UTC)


def test_a_cap_moved_while_calls_are_open_binds_the_next_and_breaks_none() -> None:
    task = a_scope(life=1_000)
    calls = [hold(task, bound=300) for _ in range(3)]

    services.set_limit(task, period="life", cap_microusd=400)
    with pytest.raises(BudgetExceeded):
        hold(task, bound=401)
    with pytest.raises(BudgetBusy):
        hold(task)
    services.capture_hold(calls[0], cost_microusd=300)
    services.release_hold(calls[1])
    services.release_hold(calls[2])
    hold(task)
    services.set_limit(task, period="life", cap_microusd=2_000)
    hold(task, bound=1_500)

    assert taken(task, "life") == (300, 1_600)


def test_a_hold_of_an_earlier_release_that_names_no_payer_is_settled_to_the_right_one() -> None:
    product = a_scope(kind="product", ref="linkly")
    call_id = hold(a_scope(), product)
    Hold.objects.update(payer=None, agent="")

    services.capture_hold(call_id, cost_microusd=40)

    assert Entry.objects.get(call_id=call_id).scope == product


def test_a_hold_and_its_entry_keep_whose_call_it_was_who_pays_and_what_was_asked() -> None:
    rex, call_id, story = an_agent_of("build", "Rex"), new_id(), new_id()
    services.place_hold(
        scopes=[rex.id],
        bound_microusd=100,
        call_id=call_id,
        correlation_id=story,
        provider="northlight",
        model="nl-1",
    )
    services.capture_hold(call_id, cost_microusd=40, facts={"asked": "nl-1", "why": "x"})

    factory = services.factory_scope()
    held = Hold.objects.get(call_id=call_id)
    assert (held.payer, held.agent, held.correlation_id) == (factory, "Rex", story)
    assert (held.provider, held.model, held.bound_microusd) == ("northlight", "nl-1", 100)
    entry = Entry.objects.get(call_id=call_id)
    assert (entry.scope, entry.agent, entry.correlation_id, entry.mode) == (
        factory,
        "Rex",
        story,
        "rehearsal",
    )
    assert (entry.amount_microusd, entry.ref, entry.is_lost) == (40, f"call:{call_id}", False)
    assert entry.facts == {"asked": "nl-1", "why": "x"}


@pytest.mark.django_db(transaction=True)
def test_threads_that_open_one_window_together_open_it_once_with_the_cap_in_force() -> None:
    found_installation("rehearsal")
    task, factory = a_scope(life=1_000_000), a_factory_limit(day=50_000_000)

    works: list[Callable[[], object]] = [lambda: hold(task, bound=1_000)] * 8
    done = together([*works, lambda: lower(factory, 40_000_000)])

    assert len(done) == 9
    assert list(
        Window.objects.filter(scope=factory, period="day").values_list("cap_microusd", "held_microusd")
    ) == [(40_000_000, 8_000)]
    assert taken(task, "life") == (0, 8_000)


@pytest.mark.django_db(transaction=True)
def test_who_spends_by_hand_while_a_hold_looks_lets_nothing_through() -> None:
    found_installation("rehearsal")
    task, moved = a_scope(life=100), threading.Event()
    hold(task, bound=0)

    def spend() -> None:
        with transaction.atomic():
            Window.objects.filter(scope=task, period="life").update(spent_microusd=60)
            moved.set()
            time.sleep(0.3)  # the hold finds the room there was, and must wait to take it

    def ask() -> None:
        moved.wait(10)
        with pytest.raises(BudgetExceeded):
            hold(task, bound=50)

    together([spend, ask])

    assert taken(task, "life") == (60, 0)
    assert Hold.objects.filter(bound_microusd=50).count() == 0


@pytest.mark.django_db(transaction=True)
def test_a_settlement_leaves_the_next_hold_as_durable_as_the_first() -> None:
    found_installation("rehearsal")
    task = a_scope(life=1_000)
    question = "pragma synchronous" if connection.vendor == "sqlite" else "show synchronous_commit"

    def durable() -> object:
        with connection.cursor() as cursor:
            cursor.execute(question)
            return cursor.fetchone()[0]

    before = durable()
    services.capture_hold(hold(task), cost_microusd=40)
    with pytest.raises(NotFound):
        services.release_hold(new_id())
    with transaction.atomic():
        services.lose_hold(hold(task))

    assert durable() == before
    assert taken(task, "life") == (140, 0)


@pytest.mark.django_db(transaction=True)
def test_a_hold_inside_a_transaction_that_fails_is_no_hold() -> None:
    found_installation("rehearsal")
    task = a_scope(life=1_000)
    hold(task)

    with transaction.atomic():
        hold(task)
        transaction.set_rollback(True)

    assert (Hold.objects.count(), taken(task, "life")) == (1, (0, 100))


@pytest.mark.django_db(transaction=True)
def test_of_a_hold_that_breaks_half_done_nothing_is_kept_though_its_caller_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found_installation("rehearsal")
    task = a_scope(life=1_000)
    hold(task)
    monkeypatch.setattr("billing.services.holds._owner", lambda pid: None)

    with transaction.atomic(), suppress(IntegrityError):
        hold(task)

    assert (Hold.objects.count(), taken(task, "life")) == (1, (0, 100))


@pytest.mark.django_db(transaction=True)
def test_outside_of_any_transaction_a_bill_is_booked_once_and_what_is_above_its_bound_stands_beside_it() -> (
    None
):
    found_installation("rehearsal")
    task = a_scope(life=1_000)
    within, above, lost = hold(task), hold(task), hold(task)

    booked = services.capture_hold(within, cost_microusd=60)
    again = services.capture_hold(within, cost_microusd=70)
    services.capture_hold(above, cost_microusd=130)
    services.lose_hold(lost)

    assert booked == again == 60
    assert Entry.objects.get(call_id=within).amount_microusd == 60
    assert [*Overage.objects.values_list("call_id", "excess_microusd")] == [(above, 30)]
    assert {"billing.overage_recorded", "billing.hold_lost"} <= set(
        Event.objects.values_list("kind", flat=True)
    )
    assert taken(task, "life") == (60 + 100 + 100, 0) == (Entry.objects.total_microusd(), 0)


@pytest.mark.django_db(transaction=True)
def test_what_is_written_with_a_hold_stands_or_falls_with_it() -> None:
    found_installation("rehearsal")
    task = a_scope(life=150)

    with services.holding():
        first = hold(task)
    with pytest.raises(BudgetBusy):
        open_and_hold(task)

    assert [*Hold.objects.values_list("call_id", flat=True)] == [first]
    assert not Scope.objects.filter(ref="beside").exists()


def open_and_hold(task: Scope) -> None:
    """Open another scope in the transaction of a hold."""
    with services.holding():
        services.open_scope(kind="task", ref="beside", label="Beside")
        hold(task)


def lower(scope: Scope, cap_microusd: int) -> Limit:
    """Change a limit as somebody does at the same time."""
    return services.set_limit(scope, period="day", cap_microusd=cap_microusd)
