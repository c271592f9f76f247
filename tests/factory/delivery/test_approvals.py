"""What was tested and approved meets users, and nothing else."""

from datetime import timedelta

import pytest

from approvals.errors import ApprovalMissing
from approvals.models import Request
from approvals.services import expire_requests
from core.registry import Stop
from core.services import advance_to, business_now, relay_waiting
from core.services.blobs import path_of
from factory.delivery.errors import NotFit
from factory.delivery.models import Release
from factory.delivery.services import propose_release
from factory.delivery.services.places import home_of
from factory.delivery.services.releases import (
    move_release,
)
from factory.work.services import cancel_task, run_next
from tests.builders import a_verdict, an_artifact
from tests.factory.delivery.carrying import (
    State,
    a_live_release,
    carry,
    die_while_trying,
    site_of,
    slots,
    steps_in,
)
from tests.factory.delivery.scripted import ScriptedEdge
from tests.factory.delivery.venture import Venture, a_small_release, run_job

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("machine")]


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


def test_a_yes_that_lapsed_is_asked_for_again() -> None:
    venture = Venture()
    launch = venture.approved(a_small_release("1"))
    first = launch.request
    advance_to(business_now() + timedelta(hours=5))

    run_next(worker="w", stop=Stop())

    first.refresh_from_db()
    assert (first.state, first.decision.used_at) == ("expired", None)
    assert launch.state == "waiting"
    assert launch.request.pk != first.pk
    assert launch.release.state == State.ASKED


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
