"""The reviewer's second opinion: a model's answer, so data; it may only add cases and objections."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from factory.quality.errors import CriterionInvalid
from factory.quality.rules.criteria import Criterion, parse_criteria
from factory.quality.rules.evidence import Evidence, Fault, Severity

GATE = "review"
_ADDED = "hawk"


@dataclass(frozen=True)
class Review:
    """What is left of an opinion after code has read it: cases to drive, remarks, whether it says no."""

    added: tuple[Criterion, ...] = ()
    notes: tuple[Mapping[str, Any], ...] = ()
    is_refusal: bool = False


def read_review(answer: Mapping[str, Any] | None) -> Review:
    """Read an answer of the shape ReviewNotes; None is no opinion. A case that cannot be driven is left out."""
    if not answer:
        return Review()
    cases = (case for found in answer["cases"] for case in _drivable(found))
    added = {case.id: case for case in cases}
    return Review(tuple(added.values()), tuple(answer["notes"]), answer["verdict"] == "fail")


def objections(review: Review, *, files: Collection[str]) -> Evidence:
    """Give the review as evidence: it says no only where it names a file of the product; prose alone is no reason.

    Source: R-09.17, R-09.18.
    """
    named = [note for note in review.notes if note["file"] in files]
    found = tuple(
        Fault(
            Severity.HIGH if review.is_refusal and note["severity"] == "high" else Severity.LOW,
            note["text"],
            file=note["file"],
            line=note["line"],
        )
        for note in named
    )
    is_refused = any(fault.is_blocking for fault in found)
    words = f"{len(review.added)} cases added, {len(named)} of {len(review.notes)} notes name a place"
    return Evidence(GATE, not is_refused, words, found)


def _drivable(found: object) -> Iterator[Criterion]:
    try:
        (case,) = parse_criteria([found])
    except CriterionInvalid:
        return
    yield replace(case, id=f"{_ADDED}-{case.id}")
