"""A limit is its rows: nobody passes it, every way out gives the place back, and it may change at any time."""

from collections.abc import Callable

import pytest

from core.registry import Assignment, Outcome
from factory.work.models import Lane, Permit, Task
from factory.work.services import (
    cancel_task,
    claim_task,
    finish_attempt,
    lift_limit,
    recover_dead,
    set_permits,
    sync_lanes,
)
from tests.builders import a_task
from tests.factory.work.hands import a_hand, take

pytestmark = pytest.mark.django_db

WAYS_OUT: dict[str, Callable[[Assignment], object]] = {
    "done": lambda one: finish_attempt(one.id, Outcome(kind="done")),
    "failed": lambda one: finish_attempt(one.id, Outcome(kind="failed", error_class="permanent")),
    "stopped": lambda one: finish_attempt(one.id, Outcome(kind="stopped")),
    "died": lambda one: recover_dead(is_dead=lambda worker: True),
    "cancelled": lambda one: cancel_task(one.reuse_key, by="owner:ada"),
}


def held() -> list[str]:
    """Return the limits of which places are taken."""
    return sorted(Permit.objects.filter(holder__isnull=False).values_list("scope", flat=True))


@pytest.mark.parametrize("way", sorted(WAYS_OUT))
def test_every_way_out_of_an_attempt_gives_its_places_back(way: str) -> None:
    rex = a_hand()
    set_permits("queue:cloud", places=5)
    a_task(agent=rex.name)
    assignment = take()
    assert assignment is not None
    during = held()

    WAYS_OUT[way](assignment)

    assert during == [f"agent:{rex.pk.hex}", "queue:cloud"]
    assert held() == []


def test_a_result_that_is_judged_holds_no_place() -> None:
    a_task(agent=a_hand().name, validator="judge")
    assignment = take()
    assert assignment is not None

    finish_attempt(assignment.id, Outcome(kind="done"))

    assert (Task.objects.get().state, held()) == ("validating", [])


def test_a_limit_may_be_raised_and_lowered_while_work_runs() -> None:
    rex = a_hand(max_parallel=2)
    for _ in range(6):
        a_task(agent=rex.name)
    scope = f"agent:{rex.pk.hex}"
    running = [take(), take()]

    full = take()
    set_permits(scope, places=3)
    third = take()
    set_permits(scope, places=1)
    for one in (running[0], third):
        assert one is not None
        finish_attempt(one.id, Outcome(kind="done"))
    lowered = take()
    set_permits(scope, places=2)

    assert (full, lowered) == (None, None)
    assert take() is not None
    assert take() is None


def test_agents_of_one_model_share_its_places() -> None:
    hands = [a_hand() for _ in range(3)]
    for hand in hands:
        a_task(agent=hand.name)
    Lane.objects.filter(agent__in=hands[:2]).update(model="large")
    set_permits("model:large", places=1)

    claimed = [one.agent for one in iter(take, None)]

    assert claimed == [hands[0].name, hands[2].name]
    lift_limit("model:large")
    assert take() is not None


def test_a_place_is_kept_free_for_critical_work() -> None:
    set_permits("queue:build", places=2, reserved=1)
    for priority in (10, 10, 10, 9):
        a_task(kind="test.nothing", queue="build", priority=priority)

    claimed = [one.reuse_key for one in iter(take, None)]

    assert len(claimed) == 3
    assert Task.objects.get(pk=claimed[0]).priority == 9
    assert Permit.objects.get(is_reserved=True).holder is None
    a_task(kind="test.nothing", queue="build", priority=0)
    assert take() is not None
    assert take() is None


def test_no_place_at_all_means_no_work() -> None:
    a_task(kind="test.nothing")
    set_permits("queue:control", places=0)

    assert claim_task(worker="w") is None


def test_limits_follow_the_agents_files() -> None:
    rex = a_hand(max_parallel=3)
    a_task(agent=rex.name)
    rex.version.front["limits"]["max_parallel"] = 1
    rex.version.front["preferred_model"] = "small"
    rex.version.save()

    sync_lanes()

    assert Permit.objects.filter(scope=f"agent:{rex.pk.hex}", is_open=True).count() == 1
    assert Lane.objects.get(agent=rex).model == "small"
