"""Work whose next call does not fit a limit it shares: it waits outside of the line until there is room, and has not failed."""

import threading
from pathlib import Path
from typing import Any

import pytest

from agents.gateway.services import sync_prices
from agents.runtime.services import carry_out
from billing.models import Scope
from billing.services import capture_hold, place_hold, set_limit
from core.ids import new_id
from core.registry import Outcome, Shortage
from core.services import found_installation
from factory.work.models import DeadLetter, Task
from factory.work.services import finish_attempt, read_admission, readmit
from tests.builders import a_task, an_agent
from tests.factory.work.hands import take

pytestmark = pytest.mark.django_db(transaction=True)
BEGINS, TOO_LITTLE = 60_000, 1_000
"""A task begins with so much left; its first call may need far more than the rest."""


@pytest.fixture(autouse=True)
def _factory(settings: Any, tmp_path: Path) -> None:
    settings.WORK_DIR, settings.BLOBS_DIR = tmp_path / "work", tmp_path / "blobs"
    found_installation("rehearsal")
    sync_prices()


def a_dear_task() -> tuple[Task, Scope]:
    """Return a ready task of an agent that asks the best models, and its agent's money, of which one call may take much."""
    agent = an_agent("Best", front={"quality": "best"})
    set_limit(agent.scope, period="call", cap_microusd=5_000_000)
    return a_task(agent=agent.name, brief="Summarise it."), agent.scope


def work_once() -> tuple[str, str]:
    """Let a worker take the next task, and carry it out; return how it ended, and what was said."""
    assignment = take()
    assert assignment is not None
    outcome = carry_out(assignment, threading.Event())
    finish_attempt(assignment.id, outcome)
    return outcome.kind, outcome.error


def test_a_call_that_does_not_fit_its_agents_day_waits_for_another_or_for_a_raise() -> None:
    task, purse = a_dear_task()
    set_limit(purse, period="day", cap_microusd=BEGINS)
    first = work_once()
    task.refresh_from_db()
    held, why, nobody = readmit(), read_admission().refusal(task), take()

    set_limit(purse, period="day", cap_microusd=20_000_000)
    let_in, second = readmit(), work_once()

    task.refresh_from_db()
    assert first[0] == "stopped"
    assert "per day" in first[1]
    assert (held, nobody, let_in) == (0, None, 1)
    assert "its next call may need $" in why
    assert (second[0], task.state, task.failures) == ("done", Task.State.COMPLETED, 0)


def test_what_waits_for_money_that_others_hold_is_let_in_once_so_much_is_free() -> None:
    task, purse = a_dear_task()
    assignment, other = take(), new_id()
    assert assignment is not None
    place_hold(scopes=[purse.id], bound_microusd=4_900_000, call_id=other)
    busy = Outcome(kind="stopped", short=Shortage(purse.id, needed_microusd=300_000))
    finish_attempt(assignment.id, busy)

    held = readmit()
    capture_hold(other, cost_microusd=4_800_000)
    too_little = readmit()
    set_limit(purse, period="day", cap_microusd=5_100_000)

    assert (held, too_little, readmit(), task.attempts.count()) == (0, 0, 1, 1)


def test_a_task_that_used_up_its_own_limit_has_failed() -> None:
    task, _ = a_dear_task()
    set_limit(task.scope, period="life", cap_microusd=TOO_LITTLE)

    first = work_once()

    assert first[0] == "failed"
    assert DeadLetter.objects.get().error_class == "budget"
