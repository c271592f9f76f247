"""A launch that dies, is stopped, or meets another one; the edge is scripted."""

import threading
from collections.abc import Callable

import pytest

from approvals.models import Request
from core.registry import Stop
from factory.delivery.errors import EdgeUnavailable, LaunchStopped, PortTaken, ReleaseChanged
from factory.delivery.models import Release
from factory.delivery.services import carry_release, roll_back, watch_releases
from factory.delivery.services.places import home_of, place_of
from factory.delivery.services.releases import (
    go_live,
)
from portfolio.services import freeze_product, thaw_product
from tests.factory.delivery.carrying import (
    State,
    a_live_release,
    carry,
    die_before_the_edge_is_told,
    die_before_the_switch,
    die_before_the_trial,
    die_while_trying,
    moves_of,
    site_of,
    slots,
    states,
)
from tests.factory.delivery.scripted import ScriptedEdge, answering
from tests.factory.delivery.venture import Launch, Venture, a_small_release, run_job

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("machine")]


@pytest.mark.parametrize(
    "die",
    [die_before_the_trial, die_while_trying, die_before_the_switch, die_before_the_edge_is_told],
)
def test_a_launch_that_died_at_any_step_goes_on_and_ends_the_same(
    die: Callable[[Launch, ScriptedEdge], None],
) -> None:
    venture, edge = Venture(), ScriptedEdge()
    first = a_live_release(venture, edge, "1")
    second = venture.approved(a_small_release("2"))
    die(second, edge)

    release = carry(second, edge)

    assert release.state == State.LIVE
    assert states(venture) == {1: "standby", 2: "live"}
    assert slots(site_of(venture, edge)) == (first.release.digest, release.digest, 100)
    assert moves_of(second).count("live") == 1
    assert not home_of(venture.product).trial.exists()


def test_after_a_death_between_row_and_edge_the_watch_tells_the_edge() -> None:
    venture, edge = Venture(), ScriptedEdge()
    first = a_live_release(venture, edge, "1")
    second = venture.approved(a_small_release("2"))
    die_before_the_edge_is_told(second, edge)
    before = slots(site_of(venture, edge))

    watch_releases(edge)

    assert before[2] == 0
    assert slots(site_of(venture, edge)) == (first.release.digest, second.release.digest, 100)


def test_an_edge_that_dies_during_the_trial_undoes_it_and_the_next_attempt_ends_well() -> None:
    venture, edge = Venture(), ScriptedEdge()
    launch = venture.approved(a_small_release("1"))
    edge.dies_after = 2

    with pytest.raises(EdgeUnavailable):
        carry(launch, edge)
    between = launch.release.state
    edge.dies_after = 1_000

    assert between == State.APPROVED
    assert carry(launch, edge).state == State.LIVE


@pytest.mark.parametrize(("deaths", "ends"), [(2, State.LIVE), (3, State.REFUSED)])
def test_a_trial_in_which_somebody_died_is_repeated_and_the_third_is_believed(deaths: int, ends: str) -> None:
    venture, edge = Venture(), ScriptedEdge()
    launch = venture.approved(a_small_release("1"))
    statuses = iter([500] * deaths + [200])

    def die_and_answer() -> int:
        status = next(statuses)
        edge.proxy_pid += status == 500
        return status

    with answering(place_of(venture.product).preview_port, post=die_and_answer):
        carried = carry_release(launch.release, task_id=launch.task.pk, stop=Stop(), edge=edge)

    assert carried.state == ends
    assert moves_of(launch).count("trying") == 3
    assert ("died while it was tried" in carried.why) == (ends == State.REFUSED)


def test_a_launch_is_not_done_before_users_meet_the_release() -> None:
    venture, edge, stop = Venture(), ScriptedEdge(is_settled=False), Stop()
    launch = venture.approved(a_small_release("1"))
    threading.Timer(1.5, stop.set).start()

    with pytest.raises(LaunchStopped):
        carry(launch, edge, stop=stop)
    between = launch.release.state
    edge.is_settled = True

    assert between == State.LIVE
    assert carry(launch, edge).state == State.LIVE
    assert moves_of(launch).count("live") == 1


def test_a_release_taken_back_while_its_launch_waits_for_users_ends_the_wait() -> None:
    venture, edge = Venture(), ScriptedEdge()
    a_live_release(venture, edge, "1")
    second = venture.approved(a_small_release("2"))

    def turn_red() -> None:
        if second.release.state == State.LIVE:
            edge.is_settled = False
            roll_back(second.release, why="/health answers 503.")

    edge.on_state = turn_red

    assert carry(second, edge).state == State.ROLLED_BACK


def test_a_launch_that_is_told_to_stop_is_no_failure_and_goes_on_later() -> None:
    venture, edge, stop = Venture(), ScriptedEdge(), Stop()
    launch = venture.approved(a_small_release("1"))
    edge.unproved.add(launch.release.digest)
    threading.Timer(0.5, stop.set).start()

    with pytest.raises(LaunchStopped, match="asked to stop"):
        carry(launch, edge, stop=stop)
    edge.unproved.clear()

    assert launch.release.state == State.APPROVED
    assert edge.products == {}
    assert not home_of(venture.product).trial.exists()
    assert carry(launch, edge).state == State.LIVE


def test_a_job_that_is_told_to_stop_gives_its_task_back_and_uses_no_approval() -> None:
    venture, stop = Venture(), Stop()
    launch = venture.approved(a_small_release("1"))
    stop.set()

    outcome = run_job(stop)

    assert outcome.kind == "stopped"
    assert (launch.state, launch.request.state) == ("ready", Request.State.APPROVED)
    assert not launch.task.attempts.filter(state="failed").exists()


def test_a_frozen_product_is_not_launched_until_it_thaws() -> None:
    venture, edge = Venture(), ScriptedEdge()
    launch = venture.approved(a_small_release("1"))
    freeze_product(venture.product, reason="over its budget")

    with pytest.raises(LaunchStopped, match="frozen"):
        carry(launch, edge)
    tables, between = list(edge.tables), launch.release.state
    thaw_product(venture.product, reason="paid")

    assert (tables, between) == ([], State.ASKED)
    assert carry(launch, edge).state == State.LIVE


def test_a_foreign_program_on_the_port_is_one_sentence_and_the_launch_may_be_tried_again() -> None:
    venture, edge = Venture(), ScriptedEdge()
    launch = venture.approved(a_small_release("1"))
    port = place_of(venture.product).port
    edge.troubles[f"port {port}"] = f"Another program listens on port {port}."

    with pytest.raises(PortTaken) as refused:
        carry(launch, edge)
    between = launch.release.state
    edge.troubles.clear()

    assert (
        refused.value.sentence
        == f"The product's port is not to be had. (port: {port}, why: Another program listens on port {port}.)"
    )
    assert refused.value.http_status == 503
    assert between == State.APPROVED
    assert carry(launch, edge).state == State.LIVE


def test_two_hands_read_the_same_release_and_only_one_lets_it_meet_users() -> None:
    venture, edge = Venture(), ScriptedEdge()
    a_live_release(venture, edge, "1")
    a_live_release(venture, edge, "2")
    third = venture.approved(a_small_release("3"))
    die_before_the_switch(third, edge)
    mine, other = third.release, third.release
    go_live(mine)

    with pytest.raises(ReleaseChanged):
        go_live(other)

    assert states(venture) == {1: "retired", 2: "standby", 3: "live"}
    assert moves_of(third).count("live") == 1


@pytest.mark.django_db(transaction=True)
def test_two_workers_on_one_release_switch_once() -> None:
    venture, edge = Venture(), ScriptedEdge()
    launch = venture.approved(a_small_release("1"))
    place = place_of(venture.product)
    ended: list[str] = []

    def work(release: Release) -> None:
        ended.append(carry_release(release, task_id=launch.task.pk, stop=Stop(), edge=edge).state)

    with answering(place.preview_port):
        hands = [threading.Thread(target=work, args=(launch.release,)) for _ in range(2)]
        for hand in hands:
            hand.start()
        for hand in hands:
            hand.join()

    assert ended == [State.LIVE, State.LIVE]
    assert moves_of(launch) == ["approved", "trying", "switching", "live"]


def test_a_newer_release_puts_one_aside_that_is_stuck_on_its_way() -> None:
    venture, edge = Venture(), ScriptedEdge()
    stuck, newer = venture.approved(a_small_release("1")), venture.approved(a_small_release("2"))
    die_while_trying(stuck, edge)

    assert carry(newer, edge).state == State.LIVE
    assert (stuck.release.state, stuck.release.why) == (
        State.REFUSED,
        "version 2 came before it was through",
    )
    assert carry(stuck, edge).state == State.REFUSED


def test_an_older_release_gives_way_to_a_newer_one_on_its_way() -> None:
    venture, edge = Venture(), ScriptedEdge()
    older, newer = venture.approved(a_small_release("1")), venture.approved(a_small_release("2"))
    die_while_trying(newer, edge)

    refused = carry(older, edge)

    assert refused.state == State.REFUSED
    assert "version 2 is on its way" in refused.why
    assert newer.release.state == State.TRYING
