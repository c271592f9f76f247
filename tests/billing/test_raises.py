"""Who may raise a limit, for how long, and that no way leads past the ceiling."""

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError, transaction
from django.utils import timezone

from billing import services
from billing.adapters.limits import start_caps
from billing.errors import (
    BudgetExceeded,
    CeilingPassed,
    ConfirmAgain,
    LimitOutOfRange,
    RaiseForbidden,
    RaiseNeedsLogin,
    RaiseTooLong,
)
from billing.models import Limit, RaiseAsked, Scope, Window
from billing.rules import CEILING_MICROUSD
from core.ids import new_id
from core.services import business_now
from tests.builders import a_scope

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
USD = 1_000_000


def ask(scope: Scope, usd: int, *, period: str = "day", why: str = "a launch", **said: Any) -> Limit:
    """Ask for another limit as an owner who has just signed in."""
    given = {"by": "owner:ada", "may_raise": True, "fresh_at": timezone.now(), **said}
    return services.change_limit(scope, period=period, cap_microusd=usd * USD, why=why, **given)


def cap(scope: Scope, period: str = "day") -> int:
    """Return what the limit says now, in dollars."""
    return Limit.objects.get(scope=scope, period=period).cap_microusd // USD


def test_an_operator_lowers_and_does_not_raise() -> None:
    rex = a_scope(kind="agent", ref="Rex")

    services.change_limit(rex, period="day", cap_microusd=USD, by="operator:bo", may_raise=False, why="")
    with pytest.raises(RaiseForbidden):
        services.change_limit(
            rex, period="day", cap_microusd=2 * USD, by="operator:bo", may_raise=False, why="x"
        )

    assert cap(rex) == 1


@pytest.mark.parametrize("age_s", [None, 601])
def test_a_raise_needs_a_fresh_sign_in_and_a_lower_one_does_not(age_s: int | None) -> None:
    rex = a_scope(kind="agent", ref="Rex", day=10 * USD)
    fresh_at = None if age_s is None else timezone.now() - timedelta(seconds=age_s)

    with pytest.raises(RaiseNeedsLogin):
        ask(rex, 11, fresh_at=fresh_at)
    ask(rex, 9, fresh_at=fresh_at)

    assert cap(rex) == 9


def test_up_to_the_table_a_raise_stays_and_above_it_the_old_value_returns_after_thirty_days() -> None:
    rex = a_scope(kind="agent", ref="Rex", day=10 * USD)  # the table says 20
    with time_machine.travel(NOON, tick=False) as clock:
        stays = ask(rex, 20)
        ends = ask(rex, 30)
        clock.shift(timedelta(days=29, hours=23))
        early, still = services.end_raises(), cap(rex)
        clock.shift(timedelta(hours=1))
        late, again = services.end_raises(), services.end_raises()

    assert (stays.until, ends.until, ends.returns_to_microusd) == (None, NOON + timedelta(days=30), 20 * USD)
    assert (early, still, late, again, cap(rex)) == (0, 30, 1, 0, 20)


def test_a_raise_that_is_over_counts_no_more_even_if_nobody_tidied_up() -> None:
    rex = a_scope(kind="agent", ref="Rex")
    with time_machine.travel(NOON, tick=False) as clock:
        ask(rex, 30, until=NOON + timedelta(days=2))
        clock.shift(timedelta(days=3))
        services.place_hold(scopes=[rex.id], bound_microusd=100, call_id=new_id())

    assert Window.objects.get(scope=rex, period="day").cap_microusd == 20 * USD


def test_raised_twice_the_first_value_returns_and_lowered_in_between_it_still_ends() -> None:
    rex = a_scope(kind="agent", ref="Rex")
    with time_machine.travel(NOON, tick=False):
        ask(rex, 30)
        twice = ask(rex, 40)
        lowered = ask(rex, 25)
        back = ask(rex, 15)

    assert (twice.returns_to_microusd, lowered.returns_to_microusd) == (20 * USD, 20 * USD)
    assert (lowered.until, back.until) == (NOON + timedelta(days=30), None)


@pytest.mark.parametrize("days", [-1, 31])
def test_a_raise_ends_within_thirty_days_and_not_in_the_past(days: int) -> None:
    rex = a_scope(kind="agent", ref="Rex")

    with pytest.raises(RaiseTooLong):
        ask(rex, 30, until=business_now() + timedelta(days=days))

    assert cap(rex) == 20


@pytest.mark.parametrize(("start", "wish"), [(100, 501), (400, 501), (1, 502)])
def test_more_than_five_hundred_dollars_are_confirmed_ten_minutes_later(start: int, wish: int) -> None:
    factory = services.factory_scope()
    services.set_limit(factory, period="day", cap_microusd=start * USD)
    with time_machine.travel(NOON, tick=False) as clock:
        with pytest.raises(ConfirmAgain):
            ask(factory, wish)
        clock.shift(timedelta(minutes=9, seconds=59))
        with pytest.raises(ConfirmAgain):
            ask(factory, wish)
        before = cap(factory)
        with pytest.raises(ConfirmAgain):
            ask(factory, wish + 1)
        clock.shift(timedelta(seconds=1))
        ask(factory, wish)

    assert (before, cap(factory)) == (start, wish)
    assert RaiseAsked.objects.filter(done_at=None).count() == 1


def test_a_confirmation_of_yesterday_counts_no_more() -> None:
    factory = services.factory_scope()
    with time_machine.travel(NOON, tick=False) as clock:
        with pytest.raises(ConfirmAgain):
            ask(factory, 600)
        clock.shift(timedelta(hours=25))
        with pytest.raises(ConfirmAgain):
            ask(factory, 600)

    assert cap(factory) == 100


def test_no_way_leads_past_the_ceiling(tmp_path: Path, settings: Any) -> None:
    factory, above = services.factory_scope(), CEILING_MICROUSD + 10_000
    services.place_hold(scopes=[factory.id], bound_microusd=1, call_id=new_id())

    with pytest.raises(CeilingPassed):
        services.change_limit(
            factory,
            period="day",
            cap_microusd=above,
            by="owner:ada",
            may_raise=True,
            why="x",
            fresh_at=timezone.now(),
        )
    with pytest.raises(CeilingPassed):
        services.set_limit(factory, period="day", cap_microusd=above)
    with pytest.raises(IntegrityError), transaction.atomic():
        Limit.objects.filter(scope=factory).update(cap_microusd=above)
    with pytest.raises(IntegrityError), transaction.atomic():
        Window.objects.filter(scope=factory, period="day").update(amount_microusd=above)
    settings.DATA_DIR = tmp_path
    (tmp_path / "limits.yaml").write_text("{team: {build: 3000.01}, profiles: {}}")
    with pytest.raises(CeilingPassed):
        services.team_scope("build")

    assert (cap(factory), start_caps("team", ref="build")["day"] > CEILING_MICROUSD) == (100, True)


def test_a_lowered_limit_binds_the_very_next_hold() -> None:
    rex = a_scope(kind="agent", ref="Rex")
    for _ in range(3):
        services.place_hold(scopes=[rex.id], bound_microusd=400_000, call_id=new_id())

    ask(rex, 1)

    with pytest.raises(BudgetExceeded):
        services.place_hold(scopes=[rex.id], bound_microusd=1, call_id=new_id())


@pytest.mark.parametrize(("kind", "usd", "is_in_range"), [
    ("agent", 0, False), ("agent", 1, True), ("agent", 100, True), ("agent", 101, False), ("team", 0, True), ("team", 101, True),
])  # fmt: skip
def test_an_agents_day_is_set_from_one_dollar_to_a_hundred(kind: str, usd: int, *, is_in_range: bool) -> None:
    scope = a_scope(kind=kind, ref="build", day=10 * USD)

    with nullcontext() if is_in_range else pytest.raises(LimitOutOfRange):
        ask(scope, usd)

    assert cap(scope) == (usd if is_in_range else 10)
