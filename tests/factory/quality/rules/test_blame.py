"""Blame: the line that failing journeys ran and passing ones did not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.quality.rules.blame import Shape, Spectrum, Suspect, ochiai, rank_lines, shape_of

LINE = st.tuples(st.sampled_from(["a.py", "b.py"]), st.integers(1, 5))
RAN = st.dictionaries(st.sampled_from("pqrstu"), st.frozensets(LINE, min_size=1), min_size=2)


def first(journey: str, spectrum: Spectrum) -> tuple[str, int]:
    suspect = rank_lines(journey, spectrum)[0]
    return suspect.file, suspect.line


@pytest.mark.parametrize(
    ("failed_here", "passed_here", "failed", "score"),
    [(1, 0, 1, 1.0), (1, 3, 1, 0.5), (2, 0, 8, 0.5), (0, 3, 1, 0)],
)
def test_ochiai_is_one_for_a_line_that_failures_alone_run(
    failed_here: int, passed_here: int, failed: int, score: float
) -> None:
    assert ochiai(failed_here=failed_here, passed_here=passed_here, failed=failed) == score


def test_the_line_that_only_the_failing_journey_ran_comes_first() -> None:
    ran = {"good": [("a.py", 1), ("a.py", 2)], "bad": [("a.py", 1), ("a.py", 3)]}

    assert rank_lines("bad", Spectrum(ran, failed=["bad"]))[0] == Suspect("a.py", 3, 1.0)


def test_one_line_behind_all_failures_beats_a_line_of_one_of_them() -> None:
    cause, own, common = ("a.py", 1), ("a.py", 2), ("a.py", 3)
    ran = {"bad": [cause, own, common], "worse": [cause, common], "good": [common], "fine": [cause, common]}

    assert first("bad", Spectrum(ran, failed=["bad", "worse"])) == cause


def test_two_faults_are_told_apart_when_no_line_explains_both() -> None:
    common = ("a.py", 9)
    good = {f"good{n}": [common] for n in range(20)}
    ran = {**good, "bad": [common, ("a.py", 1)], "worse": [common, ("b.py", 2)]}
    spectrum = Spectrum(ran, failed=["bad", "worse"])

    assert (first("bad", spectrum), first("worse", spectrum)) == (("a.py", 1), ("b.py", 2))


def test_of_equal_lines_the_branch_that_was_not_taken_comes_first() -> None:
    ran = {"bad": [("a.py", 1), ("a.py", 2)], "good": [("a.py", 1), ("a.py", 2), ("a.py", 3)]}
    shape = shape_of("today = now()\nif due < today:\n    remind(owner, text, today)\n", is_python=True)

    assert first("bad", Spectrum(ran, failed=["bad"], shapes={"a.py": shape})) == ("a.py", 2)


def test_of_equal_lines_likely_files_then_the_last_request_then_most_code_come_first() -> None:
    lines = [("a.py", 1), ("b.py", 1), ("b.py", 2), ("b.py", 3)]
    ran, shapes = {"bad": lines}, {"b.py": Shape(size={1: 1, 2: 9, 3: 2})}

    assert first("bad", Spectrum(ran, ["bad"], shapes=shapes)) == ("b.py", 2)
    assert first("bad", Spectrum(ran, ["bad"], shapes=shapes, last={"bad": [("b.py", 3)]})) == ("b.py", 3)
    assert first("bad", Spectrum(ran, ["bad"], shapes=shapes, likely=["a.py"])) == ("a.py", 1)


@given(RAN, st.data())
def test_only_lines_of_the_journey_are_suspected_and_scores_fall_from_one_to_zero(
    ran: dict[str, frozenset[tuple[str, int]]], data: st.DataObject
) -> None:
    journey = data.draw(st.sampled_from(sorted(ran)))
    failed = {journey, *data.draw(st.sets(st.sampled_from(sorted(ran))))}

    suspects = rank_lines(journey, Spectrum(ran, failed=sorted(failed)))

    assert {(suspect.file, suspect.line) for suspect in suspects} <= ran[journey]
    assert suspects == sorted(suspects, key=lambda suspect: -suspect.score)
    assert all(0 < suspect.score <= 1 for suspect in suspects)
