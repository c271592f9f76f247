"""Verdicts: computed from evidence, given by somebody else, told no further than allowed."""

import json
from dataclasses import replace

import pytest
from django.db import IntegrityError, transaction

from core.models import Event
from factory.quality.errors import NothingToJudge, ReviewNotIndependent
from factory.quality.models import Finding, Verdict
from factory.quality.rules.criteria import hidden_words, spelled
from factory.quality.rules.evidence import Evidence, Fault, Severity
from factory.quality.rules.house import HOUSE
from factory.quality.rules.review import Review
from factory.quality.rules.verdict import GATES
from factory.quality.services import (
    findings_told,
    independence_of,
    judge,
    split_criteria,
)
from factory.repo.models import Merge
from factory.work.models import Artifact, Attempt
from tests.builders import an_agent
from tests.factory.quality.rows import a_call, a_product, a_release

pytestmark = pytest.mark.django_db

OPINIONLESS = Review()


def green() -> list[Evidence]:
    numbers = {"journeys": {"promised": 19, "passed": 19}}
    return [Evidence(gate, True, "fine", numbers=numbers.get(gate, {})) for gate in GATES]


def red(*faults: Fault, gate: str = "journeys") -> list[Evidence]:
    return [
        replace(item, passed=False, findings=faults, summary="broken") if item.gate == gate else item
        for item in green()
    ]


def a_fault(artifact: Artifact, *, is_hidden: bool) -> Fault:
    product = artifact.attempt.task.dag.product
    assert product
    promise = split_criteria(product.blueprint)[is_hidden][0]
    place = {
        "file": "certs/pages.py",
        "line": 7,
        "method": "GET",
        "path": "/certs/",
        "expected": 200,
        "seen": 500,
    }
    text = f"{promise.id}: 500 instead of 200"
    return Fault(Severity.HIGH, text, **place, criterion=spelled(promise))  # type: ignore[arg-type]


def test_green_evidence_is_a_pass_on_this_very_artifact_and_a_fact() -> None:
    artifact, hawk = a_release(), an_agent("Hawk")

    verdict = judge(artifact, reviewer=hawk, evidence=green(), review=OPINIONLESS)

    assert verdict.passed
    assert (verdict.digest, verdict.author.name, verdict.reviewer) == (artifact.blob_id, "Rex", hawk)
    assert set(verdict.promises.values()) == {True}
    assert verdict.results.count() == len(GATES)
    told = Event.objects.get(kind="quality.verdict_given").facts
    assert (told["verdict_id"], told["passed"]) == (str(verdict.pk), 1)


def test_red_evidence_is_a_no_whatever_the_reviewer_says() -> None:
    artifact = a_release()
    fault = a_fault(artifact, is_hidden=False)
    praise = Evidence("review", True, "looks good to me")

    verdict = judge(artifact, reviewer=an_agent("Hawk"), evidence=[*red(fault), praise], review=OPINIONLESS)

    assert not verdict.passed
    assert verdict.reasons == ["journeys: broken"]
    assert [name for name, held in verdict.promises.items() if not held] == [
        str((fault.criterion or {})["id"])
    ]


def test_evidence_that_is_missing_is_a_no_and_no_promise_counts_as_kept() -> None:
    evidence = [item for item in green() if item.gate != "journeys"]

    verdict = judge(a_release(), reviewer=an_agent("Hawk"), evidence=evidence, review=OPINIONLESS)

    assert not verdict.passed
    assert set(verdict.promises.values()) == {False}


def test_of_hidden_promises_the_author_learns_no_name_no_step_and_no_text() -> None:
    artifact = a_release()
    product = artifact.attempt.task.dag.product
    assert product
    secret = a_fault(artifact, is_hidden=True)
    verdict = judge(artifact, reviewer=an_agent("Hawk"), evidence=red(secret), review=OPINIONLESS)

    (told,) = findings_told(verdict.pk)

    assert told == {
        "file": "certs/pages.py", "line": 7, "severity": "high", "method": "GET", "path": "/certs/",
        "expected": "200", "seen": "500",
    }  # fmt: skip
    words = hidden_words(*split_criteria(product.blueprint))
    assert len(words) > 6
    assert not [word for word in words if word in json.dumps(told, ensure_ascii=False)]


def test_of_shown_promises_and_of_the_house_the_author_learns_the_steps() -> None:
    artifact = a_release()
    house = Fault(Severity.HIGH, "notices leak", criterion=spelled(HOUSE[0]))
    evidence = red(a_fault(artifact, is_hidden=False), house)

    told = findings_told(judge(artifact, reviewer=an_agent("Hawk"), evidence=evidence, review=OPINIONLESS).pk)

    assert [set(item) >= {"criterion", "given", "when", "then"} for item in told] == [True, True]


def test_what_could_not_be_measured_is_told_and_light_findings_are_not() -> None:
    light = Fault(Severity.LOW, "B101 assert")
    evidence = [
        Evidence("static", True, "fine", (light,)),
        Evidence("tests", None, "the tests took too long"),
        *[item for item in green() if item.gate not in ("static", "tests")],
    ]

    told = findings_told(
        judge(a_release(), reviewer=an_agent("Hawk"), evidence=evidence, review=OPINIONLESS).pk
    )

    assert [item["seen"] for item in told] == ["tests: the tests took too long"]


def test_what_a_later_verdict_does_not_find_again_is_fixed() -> None:
    first = a_release()
    hawk, faults = an_agent("Hawk"), [a_fault(first, is_hidden=hidden) for hidden in (True, False)]
    judge(first, reviewer=hawk, evidence=red(*faults), review=OPINIONLESS)
    later = a_release(product=first.attempt.task.dag.product)

    judge(later, reviewer=hawk, evidence=red(faults[1]), review=OPINIONLESS)

    old = Finding.objects.filter(verdict__artifact=first).order_by("id")
    assert [finding.is_fixed for finding in old] == [True, False]


def test_what_is_not_measured_again_is_not_fixed() -> None:
    first, hawk = a_release(), an_agent("Hawk")
    fault = Fault(Severity.HIGH, "a key", file="a.py", line=1)
    judge(first, reviewer=hawk, evidence=red(fault, gate="secrets"), review=OPINIONLESS)
    later = a_release(product=first.attempt.task.dag.product)
    blind = [replace(item, passed=None) if item.gate == "secrets" else item for item in green()]

    judge(later, reviewer=hawk, evidence=blind, review=OPINIONLESS)

    assert not Finding.objects.get().is_fixed


def test_nobody_reviews_their_own_work() -> None:
    hawk, rex = an_agent("Hawk"), an_agent("Rex")
    product = a_product()
    a_release(author=hawk, product=product)
    artifact = a_release(author=rex, product=product)

    with pytest.raises(ReviewNotIndependent):
        independence_of(artifact, reviewer=hawk)


def test_a_release_that_nobody_wrote_is_not_judged() -> None:
    artifact = a_release()
    Merge.objects.all().delete()

    with pytest.raises(NothingToJudge):
        independence_of(artifact, reviewer=an_agent("Hawk"))


def shared_provider_release() -> Artifact:
    """A release whose author and reviewer both used one provider's models."""
    artifact, hawk = a_release(), an_agent("Hawk")
    task = artifact.attempt.task.dag.tasks.get(key="core")
    review = Attempt.objects.create(task=task, agent=hawk, n=2, worker="test")
    for attempt in (Merge.objects.get().attempt, review):
        a_call(attempt, provider="anthropic")
    return artifact


def test_one_provider_for_both_needs_the_owners_recorded_waiver() -> None:
    artifact = shared_provider_release()
    hawk = Attempt.objects.get(n=2).agent
    assert hawk

    with pytest.raises(ReviewNotIndependent) as refused:
        independence_of(artifact, reviewer=hawk)

    assert refused.value.facts["provider"] == "anthropic"


@pytest.mark.parametrize(
    "broken", [{"reviewer_id": "author"}, {"shared_provider": "anthropic"}], ids=["own work", "one provider"]
)
def test_the_database_refuses_a_verdict_that_is_not_independent(broken: dict[str, str]) -> None:
    verdict = judge(a_release(), reviewer=an_agent("Hawk"), evidence=green(), review=OPINIONLESS)
    change = {"reviewer_id": verdict.author_id} if "reviewer_id" in broken else broken

    with pytest.raises(IntegrityError), transaction.atomic():
        Verdict.objects.filter(pk=verdict.pk).update(**change)
