"""Releases change under fifty requests a second, and no user notices more than the release promised."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.factory.delivery.edge.stage import Stage, Users, ask, has_begun_an_order, until


def orders_are_exact(stage: Stage, users: Users) -> bool:
    """Every confirmed order was written down once, and no other."""
    confirmed = Counter(answer.number for answer in users.answers if answer.status == 201)
    return confirmed == Counter(stage.taken_orders())


def test_a_release_is_switched_taken_back_and_promoted_without_an_unpromised_answer(stage: Stage) -> None:
    old, new = stage.spec("v1"), stage.spec("v2")
    stage.bring(old)

    with Users(stage.port).at_work() as users:
        users.meet("v1")
        stage.bring(old, new)
        for weight in (50, 100):
            stage.bring(old, new, weight=weight)
            users.meet("v2")
        stage.bring(old)
        users.meet("v1")
        stage.bring(old, new, weight=100)
        stage.bring(new)
        until(lambda: len(stage.edge.state().launches) == 1)
        users.meet("v2")

    assert users.failed == []
    assert orders_are_exact(stage, users)


def test_the_edge_counts_what_its_users_count(stage: Stage) -> None:
    good, bad = stage.spec("v1"), stage.spec("v2", FAULT="half")
    stage.bring(good)
    first = stage.edge.state().sites["shop"].stable

    with Users(stage.port).at_work() as users:
        users.meet("v1")
        stage.bring(good, bad, weight=50)
        users.meet("v2", times=40)
        second = stage.edge.state().sites["shop"].candidate
        stage.bring(good)
    until(lambda: stage.edge.stats()["shop"].answers >= len(users.answers))

    by = Counter((answer.release, answer.status >= 500) for answer in users.answers)
    stats = stage.edge.stats()
    assert by["v2", True] > 0
    assert stats["shop"].answers == len(users.answers)
    assert stats["shop"].errors_5xx == by["v2", True]
    assert stats["shop"].edge_5xx == 0
    for launch, release in ((str(first), "v1"), (str(second), "v2")):
        assert stats[launch].answers == by[release, True] + by[release, False]
        assert stats[launch].errors_5xx == by[release, True]
        assert sum(stats[launch].took_us.values()) == stats[launch].answers
        assert stats[launch].edge_5xx is None


def test_a_release_whose_probe_turns_red_after_the_switch_goes_back_at_once(
    stage: Stage, tmp_path: Path
) -> None:
    red = tmp_path / "red"
    old, new = stage.spec("v1"), stage.spec("v2", RED=str(red))
    stage.bring(old)

    with Users(stage.port).at_work() as users:
        launch = str(stage.bring(old, new, weight=100).sites["shop"].candidate)
        users.meet("v2")
        healthy = stage.edge.probe(launch)
        red.touch()
        until(lambda: not stage.edge.probe(launch).ok)
        why = stage.edge.probe(launch).why
        back = stage.ask_for(old)
        users.meet("v1")
        until(lambda: launch not in stage.edge.state().launches)

    assert healthy.ok
    assert why == "/health answers 503."
    assert back.sites["shop"].settled
    assert users.failed == []
    assert orders_are_exact(stage, users)


def test_going_back_to_a_release_that_was_stopped_keeps_the_red_one_until_the_old_one_proves_itself(
    stage: Stage, tmp_path: Path
) -> None:
    red = tmp_path / "red"
    old, new = stage.spec("v1"), stage.spec("v2", RED=str(red))
    stage.bring(new)

    with Users(stage.port).at_work() as users:
        users.meet("v2")
        red.touch()
        asked = stage.ask_for(old)
        until(lambda: stage.edge.state().sites["shop"].settled)
        users.meet("v1")
        until(lambda: len(stage.edge.state().launches) == 1)

    assert asked.sites["shop"].serving != asked.sites["shop"].stable
    assert users.failed == []
    assert orders_are_exact(stage, users)


def test_a_request_in_flight_is_finished_before_its_launch_is_told_to_end(stage: Stage) -> None:
    old, new = stage.spec("v1", FAULT="rude"), stage.spec("v2")
    stage.bring(old)

    with ThreadPoolExecutor() as pool:
        slow = pool.submit(ask, stage.port, "/orders", method="POST", number="1&s=2")
        until(lambda: has_begun_an_order(stage))
        stage.bring(new)
        meanwhile = ask(stage.port)

    assert (slow.result().status, slow.result().release) == (201, "v1")
    assert meanwhile.release == "v2"
    until(lambda: len(stage.edge.state().launches) == 1)


def test_a_release_asked_for_again_while_it_ends_is_started_anew_before_it_serves(stage: Stage) -> None:
    old, new = stage.spec("v1", FAULT="deaf"), stage.spec("v2")
    first = stage.bring(old).stable_of("shop")
    assert first is not None

    with Users(stage.port).at_work() as users:
        users.meet("v1")
        stage.bring(new)
        until(stage.orders.with_suffix(".told").exists)
        again = stage.bring(old).stable_of("shop")
        users.meet("v1")

    assert again is not None
    assert (again.key, again.crashes) == (first.key, 0)
    assert again.pid != first.pid
    assert users.failed == []
    assert orders_are_exact(stage, users)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("boot", "It ended by itself (exit code 1). Its last words: the settings lack a secret"),
        ("liar", "Not this launch: release or proof is wrong."),
        ("late", "No answer yet"),
    ],
)
def test_a_release_that_does_not_prove_itself_meets_no_user_and_says_why(
    stage: Stage, fault: str, reason: str
) -> None:
    old, new = stage.spec("v1"), stage.spec("v2", FAULT=fault)
    stage.bring(old)
    stage.ask_for(old, new, weight=100)

    with Users(stage.port).at_work() as users:
        until(
            lambda: (it := stage.edge.state().candidate_of("shop")) and it.late and reason in it.evidence.why
        )
        refused = stage.edge.state()

    candidate = refused.candidate_of("shop")
    assert candidate is not None
    assert reason in candidate.evidence.why
    assert not refused.sites["shop"].settled
    assert refused.sites["shop"].weight == 0
    assert {answer.release for answer in users.answers} == {"v1"}
    assert users.failed == []


def test_journeys_meet_the_candidate_at_the_preview_port_while_users_do_not(stage: Stage) -> None:
    old, new = stage.spec("v1"), stage.spec("v2", FAULT="post")
    stage.bring(old)
    stage.bring(old, new)

    page = ask(stage.preview)
    order = ask(stage.preview, "/orders", method="POST")
    user = ask(stage.port, "/orders", method="POST", number="7")

    assert (page.status, page.release) == (200, "v2")
    assert (order.status, order.release) == (500, "v2")
    assert (user.status, user.release) == (201, "v1")
    until(lambda: stage.edge.stats()["shop.preview"].answers == 2)
    assert stage.edge.stats()["shop"].answers == 1


def test_a_preview_on_a_copy_of_the_data_is_another_launch_of_the_same_release(
    stage: Stage, tmp_path: Path
) -> None:
    old, new = stage.spec("v1"), stage.spec("v2")
    copy = stage.spec("v2", ORDERS=str(tmp_path / "copy"))
    stage.bring(old)
    stage.bring(old, copy)

    rehearsed = ask(stage.preview, "/orders", method="POST", number="9")
    stage.bring(old, new, weight=100)
    ordered = ask(stage.port, "/orders", method="POST", number="10")

    assert (rehearsed.status, ordered.status) == (201, 201)
    assert (tmp_path / "copy").read_text() == "9 v2\n"
    assert stage.taken_orders() == ["10"]


def test_a_visitor_keeps_the_side_and_a_rising_share_only_adds_visitors(stage: Stage) -> None:
    old, new = stage.spec("v1"), stage.spec("v2")
    stage.bring(old)
    jars: dict[int, str] = {}
    sides: list[set[int]] = []

    for weight in (30, 30, 70, 100):
        stage.bring(old, new, weight=weight)
        side = set()
        for visitor in range(60):
            answer = ask(stage.port, cookie=jars.get(visitor, ""))
            if answer.cookie:
                jars[visitor] = answer.cookie.split(";")[0]
            if answer.release == "v2":
                side.add(visitor)
        sides.append(side)

    first, again, more, everybody = sides
    assert 0 < len(first) < 60
    assert again == first
    assert first < more < everybody
    assert len(everybody) == 60
