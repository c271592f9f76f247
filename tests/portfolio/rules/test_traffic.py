"""Who counts at the gate of a test, and when the test is passed."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolio.adapters.line_file import read_lines
from portfolio.rules.traffic import (
    Counts,
    Suspicion,
    count_traffic,
    judge_counts,
    person_behind,
    read_traffic,
)

START = datetime(2026, 9, 27, 8, tzinfo=UTC)
LABEL = {
    "kind": "label",
    "about": "test",
    "recorded": True,
    "own": ["ours.example"],
    "catch_all": ["any.example"],
}
RECORDED = Path(__file__).parents[3] / "data" / "traffic"


def event(kind: str, minute: float, **facts: object) -> dict[str, Any]:
    return {"kind": kind, "at": (START + timedelta(minutes=minute)).isoformat(), **facts}


def signed(number: int, *, minute: float | None = None, **facts: object) -> dict[str, Any]:
    """Give the sign-up of one more person, from a network of his own."""
    said = {"address": f"p{number}@mail.example", "visitor": f"v{number}", "network": f"10.0.0.{number}"}
    return event("sign_up", number if minute is None else minute, message=f"m{number}", **{**said, **facts})


def confirmed(number: int, *, minute: float | None = None) -> dict[str, Any]:
    return event("confirmation", 1000 + number if minute is None else minute, message=f"m{number}")


def visit(number: int, **facts: object) -> dict[str, Any]:
    said = {"visitor": f"v{number}", "network": f"10.0.0.{number}", "agent": "Firefox/143", **facts}
    return event("visit", number, **said)


def count(events: Iterable[dict[str, Any]]) -> Counts:
    lines = [(number, json.dumps(row).encode()) for number, row in enumerate([LABEL, *events], start=1)]
    traffic = read_traffic(lines)
    assert traffic
    return count_traffic(traffic, disposable={"trash.example"})


def reasons(counts: Counts) -> list[str]:
    return [suspicion.why for suspicion in counts.suspected]


def test_people_count_once_and_only_when_they_confirmed() -> None:
    counts = count([signed(1), signed(2), signed(3), confirmed(1), confirmed(2)])

    assert (counts.confirmed, counts.unconfirmed, counts.suspected) == (2, 1, ())


@pytest.mark.parametrize(
    ("extra", "why"),
    [
        ({"address": "p1+two@mail.example"}, "another spelling of an address that signed up before"),
        ({"address": "P.1@mail.example"}, "another spelling of an address that signed up before"),
        ({"address": "x@trash.example"}, "throw-away address"),
        ({"address": "x@any.example"}, "domain takes mail for any name"),
        ({"address": "nobody"}, "no mail address"),
    ],
)
def test_made_up_people_are_shown_and_not_counted(extra: dict[str, Any], why: str) -> None:
    counts = count([signed(1), confirmed(1), signed(2, **extra), confirmed(2)])

    assert (counts.confirmed, reasons(counts)) == (1, [why])


def test_a_flood_from_one_network_address_counts_for_nobody() -> None:
    flood = [signed(number, network="10.9.9.9") for number in range(1, 5)]

    counts = count([*flood, *(confirmed(number) for number in range(1, 5))])

    assert (counts.confirmed, len(counts.suspected)) == (0, 4)


def test_a_burst_within_a_minute_counts_for_nobody() -> None:
    burst = [signed(number, minute=number / 20) for number in range(11)]
    calm = [signed(number, minute=number) for number in range(20, 31)]

    counts = count([*burst, *calm, *(confirmed(number) for number in range(31))])

    assert (counts.confirmed, len(counts.suspected)) == (11, 11)


def test_a_confirmation_counts_once_and_only_in_its_time() -> None:
    late, early = confirmed(2, minute=2 + 49 * 60), confirmed(3, minute=0)

    counts = count([signed(1), signed(2), signed(3), confirmed(1), confirmed(1), late, early])

    assert (counts.confirmed, counts.unconfirmed) == (1, 2)
    assert reasons(counts) == ["a confirmation used again"]


def test_robots_our_own_people_and_repeated_visits_are_no_visitors() -> None:
    visits = [
        visit(1),
        visit(1),
        visit(2, agent="ExampleBot/1.0"),
        visit(3, network="ours.example"),
        visit(4),
    ]

    counts = count(
        [*visits, *(event("price_click", 60 + number, visitor=f"v{number}") for number in (1, 1, 2, 9))]
    )

    assert (counts.visits, counts.price_clicks) == (2, 1)


def test_a_written_intent_counts_for_people_who_confirmed() -> None:
    words = "I would buy this for nineteen a month."
    intents = [
        event("intent", 2000, address="p1@mail.example", text=words),
        event("intent", 2001, address="P.1+x@mail.example", text=words),
        event("intent", 2002, address="stranger@mail.example", text=words),
        event("intent", 2003, address="p2@mail.example", text="yes"),
    ]

    assert count([signed(1), signed(2), confirmed(1), confirmed(2), *intents]).intents == 1


def counts_of(**seen: Any) -> Counts:
    nothing: dict[str, Any] = dict.fromkeys(
        ("visits", "price_clicks", "confirmed", "unconfirmed", "intents", "paid_clicks", "paid_confirmed"), 0
    )
    return Counts(**{**nothing, "suspected": (), **seen})


@pytest.mark.parametrize(
    ("seen", "outcome"),
    [
        ({"confirmed": 50}, "passed"),
        ({"confirmed": 49}, "failed"),
        ({"visits": 200, "price_clicks": 11}, "passed"),
        ({"visits": 200, "price_clicks": 10}, "failed"),
        ({"visits": 199, "price_clicks": 100}, "failed"),
        ({"intents": 3}, "passed"),
        ({"intents": 2}, "failed"),
        ({"paid_clicks": 100, "paid_confirmed": 3}, "passed"),
        ({"paid_clicks": 100, "paid_confirmed": 2}, "failed"),
        ({"paid_clicks": 99, "paid_confirmed": 99}, "failed"),
        ({}, "failed"),
    ],
)
def test_any_gate_is_enough_and_its_edge_is_exact(seen: dict[str, int], outcome: str) -> None:
    assert judge_counts(counts_of(**seen)).outcome == outcome


@pytest.mark.parametrize(("suspected", "outcome"), [(30, "passed"), (31, "unclear")])
def test_nothing_passes_by_itself_above_thirty_in_a_hundred_suspected(suspected: int, outcome: str) -> None:
    odd = tuple(Suspicion(number, "odd") for number in range(suspected))

    assert judge_counts(counts_of(confirmed=70, suspected=odd)).outcome == outcome


@given(
    st.permutations(
        [signed(1), signed(2), visit(1), visit(2), confirmed(1), signed(3, address="P1@mail.example")]
    )
)
def test_the_order_of_lines_does_not_matter(events: list[dict[str, Any]]) -> None:
    counts = count(events)

    assert (counts.confirmed, counts.visits, reasons(counts)) == (
        1,
        2,
        ["another spelling of an address that signed up before"],
    )


def test_broken_events_are_skipped_with_their_line() -> None:
    lines = [
        (1, json.dumps(LABEL).encode()),
        (2, b"{"),
        (3, None),
        (4, b'{"kind": "visit", "at": "soon"}'),
        (5, b"\n"),
    ]

    traffic = read_traffic(lines)

    assert traffic
    assert [line for line, _ in traffic.skipped] == [2, 3, 4]


def test_a_file_without_its_label_is_no_traffic() -> None:
    assert read_traffic([(1, json.dumps(visit(1)).encode())]) is None
    assert read_traffic([]) is None


@pytest.mark.parametrize(
    "address", ["Anna.Berg+news@Mail.example", "annaberg@mail.example", " a.n.n.a.berg@MAIL.example"]
)
def test_all_spellings_of_an_address_are_one_person(address: str) -> None:
    assert person_behind(address) == "annaberg@mail.example"


def test_the_recorded_file_says_what_it_is_and_passes_by_counting() -> None:
    traffic = read_traffic(read_lines(RECORDED / "recorded.jsonl"))
    assert traffic

    counts = count_traffic(traffic, disposable=json.loads((RECORDED / "disposable.json").read_text()))

    assert traffic.is_recorded
    assert traffic.skipped == ()
    assert (counts.confirmed, counts.unconfirmed, len(counts.suspected)) == (54, 9, 12)
    assert judge_counts(counts).outcome == "passed"
