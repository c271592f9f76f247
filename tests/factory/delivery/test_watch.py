"""The watch over live releases, and the table that the edge follows."""

import pytest
from pytest_django import DjangoAssertNumQueries

from core.models import Event
from core.services.blobs import path_of
from factory.delivery.errors import ReleaseChanged
from factory.delivery.models import EdgeOrder
from factory.delivery.services import put_table, roll_back, watch_releases
from factory.delivery.services.places import desired_table, home_of, site_name
from factory.delivery.services.releases import (
    refuse_release,
    trust,
)
from tests.factory.delivery.carrying import State, a_live_release, moves_of, site_of, slots, states
from tests.factory.delivery.scripted import ScriptedEdge
from tests.factory.delivery.venture import Venture, a_small_release, run_job

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("machine")]


def test_two_red_probes_in_a_row_take_a_release_back_and_the_one_before_serves() -> None:
    venture, edge = Venture(), ScriptedEdge()
    first, second = a_live_release(venture, edge, "1"), a_live_release(venture, edge, "2")
    edge.why[second.release.digest] = "/health answers 503."

    watch_releases(edge)
    once = states(venture)
    watch_releases(edge)

    assert once == {1: "standby", 2: "live"}
    assert states(venture) == {1: "live", 2: "rolled_back"}
    assert second.release.why == "/health answers 503."
    assert slots(site_of(venture, edge)) == (first.release.digest, None, 0)
    assert moves_of(second)[-2:] == ["turned_red", "rolled_back"]
    told = Event.objects.get(kind="delivery.rolled_back")
    assert told.facts == {
        "release_id": str(second.release.pk),
        "to_release_id": str(first.release.pk),
        "why": "/health answers 503.",
    }
    assert told.correlation_id == venture.product.correlation_id


def test_a_green_probe_between_two_red_ones_forgives() -> None:
    venture, edge = Venture(), ScriptedEdge()
    a_live_release(venture, edge, "1")
    second = a_live_release(venture, edge, "2")

    for why in ("/health answers 503.", "", "/health answers 503.", ""):
        edge.why[second.release.digest] = why
        watch_releases(edge)

    assert states(venture) == {1: "standby", 2: "live"}
    assert second.release.red_probes == 0


def test_a_release_that_only_starts_again_is_not_taken_back() -> None:
    venture, edge = Venture(), ScriptedEdge()
    first, second = a_live_release(venture, edge, "1"), a_live_release(venture, edge, "2")
    edge.unproved |= {first.release.digest, second.release.digest}
    edge.crashes[second.release.digest] = 1

    for _ in range(4):
        watch_releases(edge)

    assert states(venture) == {1: "standby", 2: "live"}


def test_a_release_that_crashes_again_and_again_goes_back_while_it_is_not_trusted() -> None:
    venture, edge = Venture(), ScriptedEdge()
    a_live_release(venture, edge, "1")
    second = a_live_release(venture, edge, "2")
    edge.unproved.add(second.release.digest)
    edge.crashes[second.release.digest] = 2

    for _ in range(2):
        watch_releases(edge)

    assert states(venture) == {1: "live", 2: "rolled_back"}


def test_a_red_release_without_one_before_stays_and_is_told_once() -> None:
    venture, edge = Venture(), ScriptedEdge()
    only = a_live_release(venture, edge, "1")
    edge.why[only.release.digest] = "/health answers 503."

    for _ in range(5):
        watch_releases(edge)

    assert only.release.state == State.LIVE
    assert Event.objects.filter(kind="delivery.release_turned_red").count() == 1
    assert moves_of(only).count("turned_red") == 1


def test_what_was_taken_back_is_never_brought_forward_again() -> None:
    venture, edge = Venture(), ScriptedEdge()
    first = a_live_release(venture, edge, "1")
    second = a_live_release(venture, edge, "2")
    edge.why[second.release.digest] = "/health answers 503."
    watch_releases(edge)
    watch_releases(edge)
    third = a_live_release(venture, edge, "3")
    edge.why[third.release.digest] = edge.why[first.release.digest] = "/health answers 503."

    for _ in range(6):
        watch_releases(edge)

    assert states(venture) == {1: "live", 2: "rolled_back", 3: "rolled_back"}


def test_two_watchers_take_a_release_back_once() -> None:
    venture, edge = Venture(), ScriptedEdge()
    for number in ("1", "2", "3"):
        last = a_live_release(venture, edge, number)
    mine, other = last.release, last.release
    roll_back(mine, why="red")

    with pytest.raises(ReleaseChanged):
        roll_back(other, why="red")

    assert states(venture) == {1: "retired", 2: "live", 3: "rolled_back"}


def test_a_release_taken_back_before_its_launch_ended_is_a_failure_of_the_task() -> None:
    venture, edge = Venture(), ScriptedEdge()
    a_live_release(venture, edge, "1")
    second = a_live_release(venture, edge, "2")
    roll_back(second.release, why="/health answers 503.")

    outcome = run_job()

    assert (outcome.kind, outcome.error_class, outcome.error) == (
        "failed",
        "permanent",
        "/health answers 503.",
    )


def test_a_red_release_of_one_product_does_not_hide_that_of_another() -> None:
    edge, ventures = ScriptedEdge(), (Venture(name="One"), Venture(name="Two"))
    for venture in ventures:
        a_live_release(venture, edge, f"{venture.name} 1")
        bad = a_live_release(venture, edge, f"{venture.name} 2")
        edge.why[bad.release.digest] = "red"

    for _ in range(2):
        watch_releases(edge)

    assert [states(venture)[2] for venture in ventures] == ["rolled_back", "rolled_back"]


def test_an_edge_that_does_not_answer_is_no_verdict_on_a_release() -> None:
    venture, edge = Venture(), ScriptedEdge()
    live = a_live_release(venture, edge, "1")
    edge.dies_after = 0

    assert watch_releases(edge) == 0
    assert live.release.red_probes == 0


def test_green_releases_cost_no_row(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    venture, edge = Venture(), ScriptedEdge()
    a_live_release(venture, edge, "1")
    a_live_release(venture, edge, "2")
    tables = len(edge.tables)

    with django_assert_num_queries(4) as asked:
        watch_releases(edge)

    assert not [query for query in asked.captured_queries if not query["sql"].startswith("SELECT")]
    assert len(edge.tables) == tables


def test_an_edge_that_forgot_everything_is_told_again() -> None:
    venture, edge = Venture(), ScriptedEdge()
    a_live_release(venture, edge, "1")
    before = site_of(venture, edge)
    edge.forget()

    watch_releases(edge)

    assert site_of(venture, edge) == before


def test_rows_older_than_the_edge_overtake_it_in_one_step() -> None:
    venture, edge = Venture(), ScriptedEdge()
    a_live_release(venture, edge, "1")
    edge.generation, edge.products = 90_000, {}
    tables = len(edge.tables)

    watch_releases(edge)

    assert site_of(venture, edge) is not None
    assert len(edge.tables) == tables + 1
    assert edge.generation == EdgeOrder.objects.get().generation == 90_001


def test_another_spec_of_the_same_rows_is_a_new_table() -> None:
    venture, edge = Venture(), ScriptedEdge()
    a_live_release(venture, edge, "1")
    type(venture.product).objects.update(name="Renamed")

    put_table(edge)

    stable = site_of(venture, edge).stable  # type: ignore[union-attr]
    assert stable is not None
    assert stable.env["PRODUCT_NAME"] == "Renamed"


def test_the_same_rows_are_the_same_table_and_only_what_runs_counts() -> None:
    venture, edge = Venture(), ScriptedEdge()
    a_live_release(venture, edge, "1")
    number = EdgeOrder.objects.get().generation

    asked = venture.offer(a_small_release("2"))
    refuse_release(asked.release, why="no")

    assert desired_table() == desired_table()
    assert EdgeOrder.objects.get().generation == number


def test_a_product_that_cannot_run_does_not_hold_up_the_others(caplog: pytest.LogCaptureFixture) -> None:
    edge, sick, sound = ScriptedEdge(), Venture(name="Sick"), Venture(name="Sound")
    lost = a_live_release(sick, edge, "sick")
    a_live_release(sound, edge, "sound")
    path_of(lost.release.digest).unlink()

    runs_from_disk = put_table(edge)
    tree = home_of(sick.product).tree_of(lost.release.digest)
    tree.rename(tree.with_name("gone"))
    without = desired_table()

    assert set(runs_from_disk.sites) == {site_name(sick.product), site_name(sound.product)}
    assert set(without.products) == {site_name(sound.product)}
    assert "delivery.cannot_run" in caplog.text


def test_trust_is_given_once() -> None:
    venture, edge = Venture(), ScriptedEdge()
    a_live_release(venture, edge, "1")
    second = a_live_release(venture, edge, "2")

    assert [trust(second.release), trust(second.release)] == [True, False]
