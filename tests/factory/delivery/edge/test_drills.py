"""Deaths at bad moments, many of them; what is lost is only what was inside the dead process."""

import random

import pytest

from factory.delivery.errors import EdgeUnavailable
from tests.factory.delivery.edge.stage import Stage, Users, ask, bearers, kill, parent_of, proxies_of, until
from tests.factory.delivery.edge.test_releases import orders_are_exact
from tests.factory.delivery.edge.test_survival import keeper_of, next_guard, pids

pytestmark = pytest.mark.drill


def test_thirty_keepers_killed_at_random_moments_leave_one_product_one_proxy_and_no_failed_request(
    stage: Stage,
) -> None:
    moments, steady = random.Random(4), stage.spec("v1")  # noqa: S311
    stage.bring(steady)

    with Users(stage.port).at_work() as users:
        for turn in range(30):
            until(lambda: keeper_of(stage))
            try_to_ask(stage, turn)
            users.enough.wait(moments.random() * 0.5)
            if keeper := keeper_of(stage):
                kill(keeper)
        until(lambda: keeper_of(stage))
        stage.bring(steady)
        until(lambda: len(stage.edge.state().launches) == 1, within_s=60)

    assert users.failed == []
    assert orders_are_exact(stage, users)
    assert bearers(f"ORDERS={stage.orders}") == list(pids(stage.edge.state()).values())
    assert proxies_of(stage) == {stage.edge.state().sites["shop"].proxy_pid}


def try_to_ask(stage: Stage, turn: int) -> None:
    """Ask for another candidate; the keeper may be dead just now, and may have written the table down or not."""
    try:
        stage.ask_for(stage.spec("v1"), stage.spec(f"w{turn % 7}"), weight=10)
    except EdgeUnavailable:
        return


def test_a_candidate_killed_under_load_loses_only_what_was_inside_it(stage: Stage) -> None:
    old, new = stage.spec("v1"), stage.spec("v2")
    stage.bring(old)
    candidate = stage.bring(old, new, weight=50).candidate_of("shop")
    assert candidate is not None

    with Users(stage.port).at_work() as users:
        users.meet("v2")
        kill(candidate.pid)
        until(lambda: (it := stage.edge.state().candidate_of("shop")) and it.crashes and it.ready)
        users.meet("v2")

    assert len(users.failed) <= 2
    assert all(answer.method == "POST" and answer.status == 502 for answer in users.failed)


def test_keeper_and_proxy_killed_at_once_leave_the_ports_open(stage: Stage) -> None:
    before = stage.bring(stage.spec("v1"))

    kill(before.keeper_pid, before.sites["shop"].proxy_pid)
    answers = [ask(stage.port, number=str(n)) for n in range(20)]

    assert all(answer.is_promised for answer in answers)
    until(lambda: keeper_of(stage) not in (0, before.keeper_pid))


def test_after_guard_and_keeper_are_killed_a_new_edge_adopts_the_product_and_takes_the_ports_back(
    stage: Stage,
) -> None:
    before = stage.bring(stage.spec("v1"))

    kill(parent_of(before.keeper_pid), before.keeper_pid)
    stage.edge.ensure()
    until(lambda: stage.edge.state().sites["shop"].settled)

    assert pids(stage.edge.state()) == pids(before)
    assert ask(stage.port).is_promised


def test_ten_guards_and_keepers_killed_at_random_moments_keep_the_proxy_and_every_request(
    stage: Stage,
) -> None:
    moments = random.Random(7)  # noqa: S311
    before = stage.bring(stage.spec("v1"))

    with Users(stage.port).at_work() as users:
        for _ in range(10):
            guard = next_guard(stage)
            kill(guard)
            next_guard(stage, after=guard)
            users.enough.wait(moments.random() * 0.3)
            if keeper := keeper_of(stage):
                kill(keeper)
        next_guard(stage)

    assert users.failed == []
    assert orders_are_exact(stage, users)
    assert stage.edge.state().sites["shop"].proxy_pid == before.sites["shop"].proxy_pid
    assert proxies_of(stage) == {before.sites["shop"].proxy_pid}
