"""Scans, ideas and tests as rows: what is written, what is refused, what a repeat does."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest
from django.db import IntegrityError, transaction

from core.errors import IllegalMove
from core.services import found_installation
from portfolio.adapters.child import ChildLandscape
from portfolio.errors import NotToValidate, ScanOvertaken, SignalsUnreadable, TrafficUnreadable
from portfolio.models import Evidence, Meaning, Opportunity, Scan, Signal, ValidationTest
from portfolio.rules import signals as rules
from portfolio.rules.landscape import Chart, Point
from portfolio.services import (
    approve_opportunity,
    decline_opportunity,
    look_at_signals,
    record_idea,
    scan_report,
    scan_signals,
    validate_opportunity,
)
from tests.portfolio.builders import AS_OF, SortedLandscape, a_file, a_signal
from tests.portfolio.rows import RECORDED, an_opportunity, events

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _rehearsal() -> None:
    found_installation("rehearsal")


def some(word: str, *numbers: int, source: str = "forum") -> list[rules.Signal]:
    """Give complete signals of one need, told apart by its first word; every second one is a review."""
    return [
        a_signal(
            f"{word}{number}",
            text=f"{word} is broken.",
            price="9",
            source=source if number % 2 else "review",
            day=f"2026-05-{number:02d}",
        )
        for number in numbers
    ]


def scan(folder: Path, *rows: rules.Signal | bytes, landscape: SortedLandscape | None = None) -> Scan:
    return scan_signals(a_file(folder, *rows), as_of=AS_OF, landscape=landscape or SortedLandscape())


def test_a_scan_stores_signals_opportunities_and_why(tmp_path: Path) -> None:
    done = scan(tmp_path, *some("Sheets", 1, 2, 3), *some("Forms", 1, 2), b"{", *some("Alone", 1))

    found = {entry.title: entry for entry in Opportunity.objects.all()}
    assert (done.signals_read, done.signals_new, done.as_of) == (6, 6, AS_OF)
    assert [entry["line"] for entry in done.quarantined] == [6]
    assert {title: entry.state for title, entry in found.items()} == {
        "About Sheets1": "scored",
        "About Forms1": "thin",
    }
    assert [row.signal.ref for row in found["About Sheets1"].evidence.all()] == [
        "Sheets1",
        "Sheets2",
        "Sheets3",
    ]
    assert all(signal.is_tainted for signal in Signal.objects.all())
    assert [event.facts["signals"] for event in events("signal_recorded")] == [6]
    assert {event.correlation_id for event in events("opportunity_scored")} == {
        entry.correlation_id for entry in found.values()
    }


def test_a_look_finds_the_same_and_writes_nothing(tmp_path: Path) -> None:
    rows: list[rules.Signal | bytes] = [*some("Sheets", 1, 2, 3), *some("Forms", 1, 2, 3), b"[]"]

    looked = look_at_signals(a_file(tmp_path, *rows), as_of=AS_OF, landscape=SortedLandscape()).as_report()
    nothing = (Signal.objects.count(), Opportunity.objects.count(), Meaning.objects.count())
    stored = scan_report(scan(tmp_path, *rows))

    assert nothing == (0, 0, 0)
    assert looked == stored
    assert stored["opportunities"][0]["signal_ids"] == ["Forms1", "Forms2", "Forms3"]


def test_the_same_file_again_changes_nothing(tmp_path: Path) -> None:
    rows = [*some("Sheets", 1, 2, 3), *some("Forms", 1, 2)]

    first, second = scan_report(scan(tmp_path, *rows)), scan(tmp_path, *rows)

    assert scan_report(second) == first
    assert (second.signals_new, second.quarantined) == (0, [])
    assert (Signal.objects.count(), Opportunity.objects.count()) == (5, 2)


def test_new_signals_join_the_stored_ones_and_the_name_stays(tmp_path: Path) -> None:
    scan(tmp_path, *some("Sheets", 1, 2))
    name = Opportunity.objects.get().name
    landscape = SortedLandscape()

    scan(tmp_path, *some("Sheets", 3, 4), landscape=landscape)

    assert landscape.asked == [{"Sheets1": name, "Sheets2": name}]
    grown = Opportunity.objects.get()
    assert (grown.name, grown.state, grown.evidence.count()) == (name, "scored", 4)


def test_a_known_id_with_other_words_is_kept_apart(tmp_path: Path) -> None:
    scan(tmp_path, *some("Sheets", 1, 2))

    again = scan(tmp_path, a_signal("Sheets1", text="Other words."))

    assert again.quarantined == [
        {"line": 1, "reason": "Its id is known from an earlier file, with another content."}
    ]
    assert Signal.objects.get(ref="Sheets1").text == "Sheets is broken."


def test_a_meaning_is_kept_and_handed_out_again(tmp_path: Path) -> None:
    scan(tmp_path, *some("Sheets", 1, 2))
    kept = Meaning.objects.count()

    scan(tmp_path, *some("Sheets", 1, 2, 3))

    assert (kept, Meaning.objects.count()) == (2, 3)


def test_a_scan_does_not_judge_what_is_being_tested(tmp_path: Path) -> None:
    scan(tmp_path, *some("Sheets", 1, 2, 3))
    opportunity = Opportunity.objects.get()
    validate_opportunity(opportunity, traffic=RECORDED)

    scan(tmp_path, *some("Sheets", 4), *some("Forms", 1, 2, 3))

    opportunity.refresh_from_db()
    assert (opportunity.state, opportunity.evidence.count()) == ("passed", 4)


def test_a_repeat_of_what_failed_names_its_outcome(tmp_path: Path) -> None:
    old = an_opportunity(state="failed", points=None, scale="minilm-l6-v2 mean-v1")

    scan(tmp_path, *some("Sheets", 1, 2, 3), landscape=SortedLandscape(older={old.name: 0.5}))

    repeat = Opportunity.objects.exclude(pk=old.pk).get()
    assert (repeat.state, repeat.original) == ("duplicate", old)
    assert "failed its test" in repeat.reason


class OvertakenLandscape(SortedLandscape):
    """Another scan ends while this one groups."""

    def chart(self, points: Sequence[Point], *, stored: object, older: object, known: object) -> Chart:
        """Group what is asked, after the other scan."""
        Scan.objects.create(
            number=1, as_of=AS_OF, file_name="x", file_sha256="", signals_read=0, signals_new=0, scale="", mode="rehearsal",
            at="2026-09-30T00:00Z",
        )  # fmt: skip
        return super().chart(points, stored={}, older={}, known={})


def test_of_two_scans_at_once_one_is_told_to_scan_again(tmp_path: Path) -> None:
    with pytest.raises(ScanOvertaken), transaction.atomic():
        scan(tmp_path, *some("Sheets", 1, 2), landscape=OvertakenLandscape())

    assert Signal.objects.count() == 0


def test_a_file_that_is_not_there_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(SignalsUnreadable, match=r"no\.jsonl"):
        scan_signals(tmp_path / "no.jsonl", as_of=AS_OF, landscape=SortedLandscape())


def test_an_idea_is_an_opportunity_of_its_own(tmp_path: Path) -> None:
    old = an_opportunity(scale="minilm-l6-v2 mean-v1")
    near = SortedLandscape(older={old.name: 0.61})

    idea = record_idea("Warn web agencies before domains lapse. Soon.", title="Domain warner", landscape=near)
    again = record_idea("Warn web agencies before domains lapse. Soon.", title="Other", landscape=near)

    assert (idea.state, idea.origin, idea.problem) == (
        "found",
        "owner",
        "Warn web agencies before domains lapse.",
    )
    assert idea.looks == [f"like {old.name}: likeness 0.61"]
    assert again == idea


@pytest.mark.parametrize(
    ("text", "margins", "rule"),
    [
        ("A diary for patients of a clinic.", {}, "health is a regulated field"),
        ("A diary for people who feel ill.", {"health": 0.12}, "health is a regulated field"),
        ("Prompt management for LLM teams.", {}, "tools for builders with AI"),
    ],
)
def test_an_excluded_idea_says_by_which_rule(text: str, margins: dict[str, float], rule: str) -> None:
    idea = record_idea(text, title="x", landscape=SortedLandscape(margins=margins))

    assert idea.state == "excluded"
    assert rule in idea.reason
    with pytest.raises(IllegalMove):
        validate_opportunity(idea, traffic=RECORDED)


def test_a_test_decides_by_its_traffic_once(tmp_path: Path) -> None:
    good, bad = an_opportunity(), an_opportunity()
    lines = RECORDED.read_bytes().splitlines(keepends=True)
    few = tmp_path / "few.jsonl"
    few.write_bytes(b"".join(lines[:40]))

    passed, failed = validate_opportunity(good, traffic=RECORDED), validate_opportunity(bad, traffic=few)

    assert (passed.outcome, good.state, passed.is_recorded) == ("passed", "passed", True)
    assert (failed.outcome, bad.state) == ("failed", "failed")
    assert passed.counts["confirmed"] == 54
    assert validate_opportunity(good, traffic=RECORDED) == passed
    assert ValidationTest.objects.count() == 2
    assert [event.facts["outcome"] for event in events("opportunity_tested")] == ["passed", "failed"]


def test_too_much_that_is_suspected_waits_for_the_owner(tmp_path: Path) -> None:
    rows = RECORDED.read_text()
    flood = "".join(
        f'{{"kind": "sign_up", "at": "2026-09-28T{number % 24:02d}:00:00Z", "visitor": "x", "network": "192.0.2.78",'
        f' "address": "u{number}@flood.example", "message": "x{number}"}}\n'
        for number in range(30)
    )
    path = tmp_path / "flooded.jsonl"
    path.write_text(rows + flood)
    opportunity = an_opportunity()

    test = validate_opportunity(opportunity, traffic=path)

    assert (test.outcome, opportunity.state) == ("unclear", "validating")
    approve_opportunity(opportunity, reason="the owner looked")
    assert opportunity.state == "approved"


@pytest.mark.parametrize("points", [59.9, None])
def test_no_test_is_paid_for_a_low_score(points: float | None) -> None:
    opportunity = an_opportunity(points=points, state="scored" if points else "thin")

    with pytest.raises(NotToValidate, match="a score of 60 is needed"):
        validate_opportunity(opportunity, traffic=RECORDED)


def test_traffic_that_does_not_say_what_it_is_is_refused(tmp_path: Path) -> None:
    bare = tmp_path / "bare.jsonl"
    bare.write_bytes(RECORDED.read_bytes().split(b"\n", 1)[1])
    opportunity = an_opportunity()

    for path in (bare, tmp_path / "missing.jsonl"):
        with pytest.raises(TrafficUnreadable):
            validate_opportunity(opportunity, traffic=path)
    assert opportunity.state == "scored"


def test_the_owners_answer_is_kept_and_final() -> None:
    opportunity = an_opportunity(state="passed")

    decline_opportunity(opportunity, reason="not now")
    decline_opportunity(opportunity, reason="not now")

    with pytest.raises(IllegalMove):
        approve_opportunity(opportunity, reason="changed his mind")
    assert opportunity.state == "declined"


@pytest.mark.parametrize(
    "broken",
    [
        {"state": "scored", "points": None},
        {"points": 101.0},
        {"low": 90.0, "high": 10.0},
        {"state": "duplicate"},
    ],
)
def test_the_database_holds_no_impossible_opportunity(broken: dict[str, object]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        an_opportunity(**broken)


def test_the_database_holds_a_signal_in_one_opportunity(tmp_path: Path) -> None:
    scan(tmp_path, *some("Sheets", 1, 2))
    other = an_opportunity()

    with pytest.raises(IntegrityError), transaction.atomic():
        Evidence.objects.create(
            opportunity=other, signal=Signal.objects.get(ref="Sheets1"), place=0, similarity=0.5, counts=True
        )


def test_the_real_landscape_reads_a_file_from_end_to_end(
    tmp_path: Path, shipped: tuple[rules.Signal, ...], landscape: ChildLandscape
) -> None:
    domains = [18, 23, 31, 74, 80, 92, 114, 178, 234, 238]
    podcasts = [26, 125, 146, 173, 216, 273]
    rows = [shipped[number - 1] for number in (*domains, *podcasts)]

    report = scan_report(scan_signals(a_file(tmp_path, *rows), as_of=date(2026, 9, 30), landscape=landscape))

    groups = [set(entry["signal_ids"]) for entry in report["opportunities"]]
    assert groups == [{f"sig-{n:03d}" for n in domains}, {f"sig-{n:03d}" for n in podcasts}]
