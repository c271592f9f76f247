"""Releases by their rows: what is asked, tried, switched, watched and taken back; the edge is scripted."""

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from pytest_django import DjangoAssertNumQueries

from approvals.errors import ApprovalMissing
from approvals.models import Request
from approvals.services import expire_requests
from core.models import AuditRow, Event
from core.registry import Stop
from core.services import advance_to, business_now, relay_waiting
from core.services.blobs import path_of
from factory.delivery.errors import EdgeUnavailable, LaunchStopped, NotFit, PortTaken, ReleaseChanged
from factory.delivery.models import EdgeOrder, Release
from factory.delivery.ports import LaunchSpec, Site
from factory.delivery.services import carry_release, propose_release, put_table, roll_back, watch_releases
from factory.delivery.services.places import desired_table, home_of, place_of, site_name, unpacked
from factory.delivery.services.releases import (
    approve_release,
    begin_trial,
    go_live,
    move_release,
    refuse_release,
    trust,
)
from factory.work.models import DeadLetter
from factory.work.services import cancel_task, retry_dead_letter, run_next
from portfolio.services import freeze_product, thaw_product
from tests.builders import a_verdict, an_artifact
from tests.factory.delivery.scripted import ScriptedEdge, answering
from tests.factory.delivery.venture import Launch, Venture, a_small_release, packed, run_job

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("machine")]
State = Release.State
HALF_AN_HOUR = timedelta(minutes=30)


def carry(launch: Launch, edge: ScriptedEdge, *, post: int = 200, stop: Stop | None = None) -> Release:
    """Carry a release over a scripted edge; at the preview port a product answers."""
    place = place_of(launch.release.product)
    with answering(place.preview_port, post=post):
        return carry_release(launch.release, task_id=launch.task.pk, stop=stop or Stop(), edge=edge)


def a_live_release(venture: Venture, edge: ScriptedEdge, number: str) -> Launch:
    """Return a release that users meet."""
    launch = venture.approved(a_small_release(number))
    assert carry(launch, edge).state == State.LIVE
    return launch


def states(venture: Venture) -> dict[int, str]:
    """Return where each release stands, by version."""
    return dict(Release.objects.of(venture.product).values_list("version", "state"))


def site_of(venture: Venture, edge: ScriptedEdge) -> Site | None:
    """Return what the edge was told last about the product."""
    return edge.products.get(site_name(venture.product))


def slots(site: Site | None) -> tuple[str | None, str | None, int]:
    """Return the releases in both slots, by digest, and the weight."""
    assert site is not None
    stable, candidate = (spec.release if spec else None for spec in (site.stable, site.candidate))
    return stable, candidate, site.weight


def steps_in(database: Path) -> list[str]:
    """Return what migrations left in a database."""
    with closing(sqlite3.connect(database)) as base:
        return [number for (number,) in base.execute("SELECT number FROM steps")]


def moves_of(launch: Launch) -> list[str]:
    """Return how a release went, from its audit rows."""
    rows = AuditRow.objects.filter(subject=str(launch.release), verb__startswith="delivery.")
    return [row.verb.removeprefix("delivery.") for row in rows.order_by("id")]


# --- from the owner's yes to users ---


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


# --- what was approved, and nothing else ---


def test_one_byte_changed_after_the_question_is_refused_and_nothing_starts() -> None:
    venture, edge = Venture(), ScriptedEdge()
    launch = venture.approved(a_small_release("1"))
    stored = path_of(launch.release.digest)
    content = stored.read_bytes()
    stored.chmod(0o600)
    stored.write_bytes(content[:-1] + b"x")

    refused = carry(launch, edge)

    assert refused.state == State.REFUSED
    assert "changed" in refused.why
    assert all(table.products == {} for table in edge.tables)
    assert not home_of(venture.product).tree_of(refused.digest).exists()


def test_one_byte_changed_between_trial_and_switch_is_refused_though_its_files_stand_unpacked() -> None:
    venture, edge = Venture(), ScriptedEdge()
    first, second = a_live_release(venture, edge, "1"), venture.approved(a_small_release("2"))
    die_while_trying(second, edge)
    move_release(second.release, to=State.SWITCHING)
    path_of(second.release.digest).write_bytes(b"other")

    assert carry(second, edge).state == State.REFUSED
    assert slots(site_of(venture, edge)) == (first.release.digest, None, 0)
    assert steps_in(home_of(venture.product).database) == ["1"]


def test_a_red_verdict_given_after_the_yes_refuses_the_release() -> None:
    venture, edge = Venture(), ScriptedEdge()
    launch = venture.approved(a_small_release("1"))
    a_verdict(launch.artifact, passed=False, reasons=("journeys: 1 of 2 broken",))

    refused = carry(launch, edge)

    assert refused.state == State.REFUSED
    assert "journeys: 1 of 2 broken" in refused.why
    assert all(table.products == {} for table in edge.tables)


def test_without_a_yes_nothing_happens() -> None:
    venture, edge = Venture(), ScriptedEdge()
    launch = venture.offer(a_small_release("1"))

    with pytest.raises(ApprovalMissing):
        carry(launch, edge)

    assert launch.release.state == State.ASKED
    assert edge.tables == []


def test_an_approval_is_used_once_and_another_artifact_needs_another() -> None:
    venture, edge = Venture(), ScriptedEdge()
    first = a_live_release(venture, edge, "1")
    second = venture.offer(a_small_release("2"))

    with pytest.raises(ApprovalMissing):
        carry(second, edge)

    assert first.request.state == Request.State.USED
    assert second.release.state == State.ASKED
    assert first.request.digest != second.request.digest


def test_silence_refuses_at_four_hours_of_business_time_and_nothing_is_deployed() -> None:
    venture, edge = Venture(), ScriptedEdge()
    launch = venture.offer(a_small_release("1"))

    advance_to(launch.request.deadline - timedelta(seconds=5))
    early = expire_requests()
    advance_to(launch.request.deadline + timedelta(seconds=1))
    late = expire_requests()

    assert (early, late) == (0, 1)
    assert launch.request.deadline - launch.request.asked_at == timedelta(hours=4)
    assert (launch.release.state, launch.release.why) == (State.REFUSED, "nobody answered in time")
    assert launch.state == "dead_letter"
    assert carry(launch, edge).state == State.REFUSED
    assert edge.tables == []


def test_a_no_ends_release_and_task_with_the_owners_words() -> None:
    venture = Venture()
    launch = venture.offer(a_small_release("1"))

    venture.answer(launch, "reject", words="not this week")

    assert (launch.release.state, launch.release.why) == (State.REFUSED, "not this week")
    assert launch.state == "dead_letter"


def test_a_question_taken_back_ends_the_release() -> None:
    venture = Venture()
    launch, other = venture.offer(a_small_release("1")), venture.offer(a_small_release("2"))

    cancel_task(launch.task.pk, by="owner", reason="another plan")
    while relay_waiting():
        continue

    assert (launch.release.state, launch.release.why) == (State.REFUSED, "the question was taken back")
    assert other.release.state == State.ASKED


def test_a_yes_that_lapsed_is_asked_for_again_when_the_owner_puts_the_task_back() -> None:
    venture = Venture()
    launch = venture.approved(a_small_release("1"))
    first = launch.request
    advance_to(business_now() + timedelta(hours=5))

    run_next(worker="w", stop=Stop())
    error = launch.task.attempts.get(state="failed").error
    letter = DeadLetter.objects.get(task=launch.task)
    retry_dead_letter(letter.pk, by="owner")
    run_job()

    assert "answered: approved" in error
    assert launch.state == "waiting"
    assert launch.request.pk != first.pk
    assert launch.release.state == State.ASKED


# --- what may be proposed ---


def test_nothing_is_proposed_that_nobody_tested() -> None:
    venture = Venture()
    artifact = an_artifact(venture.product, content=b"x")

    with pytest.raises(NotFit, match="nobody tested it"):
        propose_release(product=venture.product, artifact=artifact)


def test_the_newest_verdict_on_an_artifact_counts() -> None:
    venture = Venture()
    artifact = an_artifact(venture.product, content=b"x")
    a_verdict(artifact)
    a_verdict(artifact, passed=False, reasons=("bandit: 1 finding",))

    with pytest.raises(NotFit, match="bandit: 1 finding"):
        propose_release(product=venture.product, artifact=artifact)
    a_verdict(artifact)

    assert propose_release(product=venture.product, artifact=artifact).state == State.ASKED


def test_an_artifact_is_proposed_once() -> None:
    venture = Venture()
    launch = venture.offer(a_small_release("1"))

    again = propose_release(product=venture.product, artifact=launch.artifact)

    assert again.pk == launch.release.pk
    assert venture.offer(a_small_release("2")).release.version == 2


def test_the_task_fails_for_good_with_a_plain_sentence_when_the_newest_verdict_is_red() -> None:
    venture = Venture()
    artifact = an_artifact(venture.product, content=a_small_release("1"))
    verdict = a_verdict(artifact)
    launch = venture.launch(artifact, verdict=verdict)
    a_verdict(artifact, passed=False, reasons=("own tests: 2 failed",))

    run_job()
    outcome = run_job()

    assert (outcome.kind, outcome.error_class) == ("failed", "permanent")
    assert outcome.error.startswith("This artifact may not be released.")
    assert "own tests: 2 failed" in outcome.error
    assert launch.state == "dead_letter"
    assert not Release.objects.exists()
    assert not Request.objects.exists()


def test_the_owner_is_shown_what_was_kept_and_what_it_is_bound_to() -> None:
    venture = Venture()
    launch = venture.offer(a_small_release("1"))

    request = launch.request

    assert request.title == "Open version 1 of Certbook?"
    assert request.binds == {"artifact": launch.release.digest, "verdict": str(launch.release.verdict_id)}
    assert request.evidence == [
        {"name": "Hawk's verdict", "passed": True, "words": "2 of 2 promises kept on a running copy"}
    ]
    assert launch.state == "waiting"


# --- crashes, two hands, interruptions ---


def die_while_trying(launch: Launch, edge: ScriptedEdge) -> None:
    approve_release(launch.release, task_id=launch.task.pk)
    place_of(launch.release.product)
    home_of(launch.release.product).open_trial()
    begin_trial(launch.release, may_fetch="http://127.0.0.1:9")
    put_table(edge)


def die_before_the_trial(launch: Launch, edge: ScriptedEdge) -> None:
    approve_release(launch.release, task_id=launch.task.pk)


def die_before_the_switch(launch: Launch, edge: ScriptedEdge) -> None:
    die_while_trying(launch, edge)
    move_release(launch.release, to=State.SWITCHING)
    unpacked(launch.release).migrate_live()


def die_before_the_edge_is_told(launch: Launch, edge: ScriptedEdge) -> None:
    die_before_the_switch(launch, edge)
    put_table(edge)
    go_live(launch.release)


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


# --- the watch ---


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


# --- the table ---


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


# --- secrets ---


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
