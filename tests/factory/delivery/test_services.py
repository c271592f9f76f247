"""Releases by their rows, from the owner's yes to users; the edge is scripted."""

from pathlib import Path

import pytest

from core.models import AuditRow, Event
from core.services import advance_to, business_now
from factory.delivery.models import EdgeOrder
from factory.delivery.ports import LaunchSpec
from factory.delivery.services import watch_releases
from factory.delivery.services.places import home_of, site_name, unpacked
from tests.factory.delivery.carrying import (
    HALF_AN_HOUR,
    State,
    a_live_release,
    carry,
    moves_of,
    site_of,
    slots,
    states,
    steps_in,
)
from tests.factory.delivery.scripted import ScriptedEdge
from tests.factory.delivery.venture import Venture, a_small_release, packed

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("machine")]


def test_a_first_release_is_tried_on_a_copy_then_meets_users_and_leaves_rows_of_every_step(
    machine: Path,
) -> None:
    venture, edge = Venture(), ScriptedEdge()
    launch = venture.approved(a_small_release("1"))

    release = carry(launch, edge)

    assert moves_of(launch) == ["approved", "trying", "switching", "live"]
    assert release.decision is not None
    assert release.live_at == release.trusted_at
    home = home_of(venture.product)
    seen = [table.products[site_name(venture.product)] for table in edge.tables if table.products]
    trial = next(site.candidate for site in seen if site.candidate)
    assert trial.env["PRODUCT_DB"] == str(home.trial_database)
    assert trial.env["PRODUCT_TEST"] == "1"
    assert slots(site_of(venture, edge)) == (release.digest, None, 0)
    assert site_of(venture, edge).stable.env["PRODUCT_DB"] == str(home.database)  # type: ignore[union-attr]
    assert "PRODUCT_TEST" not in site_of(venture, edge).stable.env  # type: ignore[union-attr]
    assert steps_in(home.database) == ["1"]
    assert not home.trial.exists()
    told = Event.objects.filter(kind="delivery.release_advanced").order_by("id")
    assert [event.facts["state"] for event in told] == ["approved", "trying", "switching", "live"]
    assert {event.correlation_id for event in told} == {venture.product.correlation_id}
    assert edge.generation == EdgeOrder.objects.get().generation


def test_the_release_before_stands_by_until_the_new_one_is_trusted() -> None:
    venture, edge = Venture(), ScriptedEdge()
    first, second = a_live_release(venture, edge, "1"), a_live_release(venture, edge, "2")

    watch_releases(edge)
    early = slots(site_of(venture, edge))
    advance_to(business_now() + HALF_AN_HOUR)
    watch_releases(edge)

    assert early == (first.release.digest, second.release.digest, 100)
    assert slots(site_of(venture, edge)) == (second.release.digest, None, 0)
    assert states(venture) == {1: "retired", 2: "live"}
    assert steps_in(home_of(venture.product).database) == ["1", "2"]


def test_a_third_release_is_tried_beside_the_second_and_the_first_is_let_go() -> None:
    venture, edge = Venture(), ScriptedEdge()
    a_live_release(venture, edge, "1")
    second = a_live_release(venture, edge, "2")
    third = a_live_release(venture, edge, "3")

    assert states(venture) == {1: "retired", 2: "standby", 3: "live"}
    assert slots(site_of(venture, edge)) == (second.release.digest, third.release.digest, 100)


def test_a_release_refused_in_its_trial_leaves_the_one_that_stands_by_where_it_was() -> None:
    venture, edge = Venture(), ScriptedEdge()
    first, second = a_live_release(venture, edge, "1"), a_live_release(venture, edge, "2")
    bad = venture.approved(a_small_release("3"))

    carry(bad, edge, post=500)

    assert states(venture) == {1: "standby", 2: "live", 3: "refused"}
    assert slots(site_of(venture, edge)) == (first.release.digest, second.release.digest, 100)


def test_a_release_that_breaks_a_promise_in_its_trial_meets_no_user() -> None:
    venture, edge = Venture(), ScriptedEdge()
    first = a_live_release(venture, edge, "1")
    bad = venture.approved(a_small_release("2"))

    refused = carry(bad, edge, post=500)

    assert refused.state == State.REFUSED
    assert "promises broken: 1" in refused.why
    assert "POST /orders/ answered 500 instead of 200" in refused.why
    assert moves_of(bad) == ["approved", "trying", "refused"]
    assert slots(site_of(venture, edge)) == (first.release.digest, None, 0)
    assert all(slots(table.products[site_name(venture.product)])[2] == 0 for table in edge.tables[-3:])
    assert steps_in(home_of(venture.product).database) == ["1"]
    assert not home_of(venture.product).trial.exists()


def test_migrations_that_fail_on_the_copy_never_reach_the_users_data() -> None:
    venture, edge = Venture(), ScriptedEdge()
    a_live_release(venture, edge, "1")
    bad = venture.approved(a_small_release("2", more="raise SystemExit('column exists already')"))

    refused = carry(bad, edge)

    assert refused.state == State.REFUSED
    assert "its migrations failed" in refused.why
    assert "column exists already" in refused.why
    assert steps_in(home_of(venture.product).database) == ["1"]


@pytest.mark.parametrize("fault", ["crashes", "late"])
def test_a_release_that_does_not_prove_itself_is_refused_with_the_edges_words(fault: str) -> None:
    venture, edge = Venture(), ScriptedEdge()
    launch = venture.approved(a_small_release("1"))
    digest = launch.release.digest
    edge.unproved.add(digest)
    edge.why[digest] = "It ended by itself (exit code 1)."
    edge.late.add(digest) if fault == "late" else edge.crashes.update({digest: 2})

    refused = carry(launch, edge)

    assert refused.state == State.REFUSED
    assert "It ended by itself (exit code 1)." in refused.why
    assert edge.products == {}


def test_what_cannot_be_unpacked_is_refused() -> None:
    venture, edge = Venture(), ScriptedEdge()
    launch = venture.approved(b"no archive")

    assert carry(launch, edge).state == State.REFUSED
    assert "it cannot be unpacked" in launch.release.why


def test_paths_that_lead_out_of_a_release_are_refused(machine: Path) -> None:
    venture, edge = Venture(), ScriptedEdge()
    launch = venture.approved(packed({"../../escaped": "x"}))

    assert carry(launch, edge).state == State.REFUSED
    assert list(machine.rglob("escaped")) == []


def test_a_trial_has_keys_of_its_own_and_no_row_or_log_holds_one(
    machine: Path, caplog: pytest.LogCaptureFixture
) -> None:
    venture, edge = Venture(), ScriptedEdge()
    release = carry(venture.approved(a_small_release("1")), edge)
    home = home_of(venture.product)
    trials = [site.candidate for table in edge.tables for site in table.products.values() if site.candidate]
    trial, live = trials[0], unpacked(release).live_spec()

    def secrets_in(spec: LaunchSpec) -> set[str]:
        return {spec.env["PRODUCT_SECRET_KEY"], spec.env["PRODUCT_TICK_KEY"]}

    told = " ".join(
        [caplog.text, *(f"{row.facts}" for row in (*AuditRow.objects.all(), *Event.objects.all()))]
    )
    assert len(secrets_in(trial) | secrets_in(live)) == 4
    assert not [secret for secret in secrets_in(trial) | secrets_in(live) if secret in told]
    assert home.folder.stat().st_mode & 0o077 == 0
    assert home.database.stat().st_mode & 0o077 == 0
    assert (home.folder / "secret_key").stat().st_mode & 0o077 == 0
