"""The reviewer's opinion: may add, may refuse with a place, may never wave through."""

from typing import Any

from factory.quality.rules.evidence import Severity
from factory.quality.rules.review import Review, objections, read_review
from tests.factory.quality.sample import raw_criteria


def an_answer(**changes: Any) -> dict[str, Any]:
    return {"verdict": "pass", "summary": "Fine.", "notes": [], "cases": [], **changes}


def a_note(**changes: Any) -> dict[str, Any]:
    return {
        "file": "certs/api.py",
        "line": 3,
        "severity": "high",
        "criterion": "",
        "text": "Leaks.",
        **changes,
    }


def test_its_cases_get_names_of_their_own_so_that_none_replaces_a_promise() -> None:
    review = read_review(an_answer(cases=raw_criteria()[:2]))

    assert [case.id for case in review.added] == ["hawk-added-is-listed", "hawk-empty-is-refused"]


def test_a_case_that_cannot_be_driven_is_left_out() -> None:
    broken = {**raw_criteria()[0], "when": {**raw_criteria()[0]["when"], "keep": "(a+)+"}}

    assert read_review(an_answer(cases=[broken])).added == ()


def test_a_refusal_counts_where_it_names_a_file_of_the_product() -> None:
    refusal = read_review(an_answer(verdict="fail", notes=[a_note()]))

    evidence = objections(refusal, files={"certs/api.py"})

    assert evidence.passed is False
    assert [(found.file, found.line, found.severity) for found in evidence.findings] == [
        ("certs/api.py", 3, Severity.HIGH)
    ]


def test_prose_a_light_note_or_a_note_beside_a_pass_refuses_nothing() -> None:
    answers = [
        an_answer(verdict="fail"),
        an_answer(verdict="fail", notes=[a_note(file="nowhere.py")]),
        an_answer(verdict="fail", notes=[a_note(severity="low")]),
        an_answer(notes=[a_note()]),
    ]

    assert [objections(read_review(answer), files={"certs/api.py"}).passed for answer in answers] == [
        True
    ] * 4


def test_no_answer_is_no_opinion() -> None:
    assert read_review(None) == Review()
