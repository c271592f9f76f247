"""Many spenders at once, and spenders that die: no cent over a limit."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import pytest
from django.db import connection
from django.db.models import F

from billing import services
from billing.errors import BudgetExceeded
from billing.models import Entry, Hold, Scope, Window
from core.ids import new_id
from tests.builders import a_scope

pytestmark = pytest.mark.django_db(transaction=True)

SPENDER = Path(__file__).parent / "spender.py"


def in_threads(work: Callable[[int], bool], *, times: int) -> int:
    """Run `work` 8 at a time and return how often it said yes."""

    def one(number: int) -> bool:
        try:
            return work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        return sum(pool.map(one, range(times)))


def a_spender(verb: str, scope: Scope, *numbers: int) -> "subprocess.Popen[str]":
    """Start a process that spends on this test's database."""
    name = connection.settings_dict["NAME"]
    words = [sys.executable, str(SPENDER), str(name), verb, str(scope.id), *map(str, numbers)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)  # noqa: S603


def spend(scope: Scope, *, bound: int, cost: int, call_id: UUID | None = None) -> bool:
    """Hold and book one call; say whether it was allowed."""
    call_id = call_id or new_id()
    try:
        services.place_hold(scopes=[scope.id], bound_microusd=bound, call_id=call_id)
    except BudgetExceeded:
        return False
    services.capture_hold(call_id, cost_microusd=cost)
    return True


def books_agree() -> bool:
    """Say whether no window is passed, nothing is held and the ledger tells what the windows tell."""
    passed = Window.objects.filter(amount_microusd__lt=F("spent_microusd") + F("held_microusd"))
    months = Window.objects.filter(scope__kind="factory", period="month")
    spent = sum(months.values_list("spent_microusd", flat=True))
    open_holds = Hold.objects.open().count()
    return not passed.exists() and not open_holds and spent == Entry.objects.total_microusd()


def test_exactly_fifty_of_two_hundred_threads_calls_fit_a_cap_of_fifty() -> None:
    task = a_scope(life=1_000_000)

    allowed = in_threads(lambda _: spend(task, bound=20_000, cost=20_000), times=200)

    assert allowed == 50
    assert Window.objects.get(scope=task).spent_microusd == 1_000_000
    assert books_agree()


def test_threads_that_repeat_one_call_hold_and_book_it_once() -> None:
    task, call_id = a_scope(life=1_000_000), new_id()

    in_threads(lambda n: spend(task, bound=20_000, cost=n, call_id=call_id), times=16)

    assert Hold.objects.count() == Entry.objects.count() == 1
    assert Window.objects.get(scope=task).spent_microusd == Entry.objects.total_microusd()
    assert books_agree()


def test_processes_never_pass_a_cap_together() -> None:
    task = a_scope(life=1_000_000)

    spenders = [a_spender("race", task, 40, 20_000) for _ in range(2)]
    refused = sum(int(spender.communicate(timeout=60)[0]) for spender in spenders)

    assert refused == 80 - 50
    assert Window.objects.get(scope=task).spent_microusd == 1_000_000
    assert books_agree()


def test_a_process_killed_between_hold_and_bill_costs_its_bound_and_no_more() -> None:
    task = a_scope(life=1_000_000)
    spender = a_spender("hang", task, 20_000)
    assert spender.stdout is not None
    assert spender.stdout.readline() == "held\n"

    spender.kill()
    spender.communicate()
    before = Window.objects.get(scope=task)
    settled = services.settle_orphans()

    after = Window.objects.get(scope=task)
    assert (before.spent_microusd, before.held_microusd) == (0, 20_000)
    assert settled == 1
    assert (after.spent_microusd, after.held_microusd) == (20_000, 0)
    assert Entry.objects.lost().total_microusd() == 20_000
    assert books_agree()
