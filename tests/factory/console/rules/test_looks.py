"""How things are said and drawn."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from approvals.models import Request
from billing.models import Entry, RevenueEvent
from factory.console import rules
from factory.delivery.models import Release
from factory.quality.rules.verdict import GATES
from factory.work.models import Attempt, Task
from portfolio.models import Opportunity

NOW = datetime(2026, 11, 26, 10, 40, tzinfo=UTC)
amounts = st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("kind", "states"),
    [
        ("task", Task.State),
        ("release", Release.State),
        ("idea", Opportunity.State),
        ("answer", Request.State),
    ],
)
def test_every_state_has_a_look_of_its_own_words(kind: str, states: type[Task.State]) -> None:
    assert set(states.values) == rules.LOOKS[kind].keys()


def test_every_kind_of_money_every_gate_and_every_end_of_a_try_has_a_name() -> None:
    assert {*Entry.Kind.values, *RevenueEvent.Kind.values, "shared"} == rules.MONEY_WORDS.keys()
    assert {*Entry.Kind.values, "shared"} == rules.COST_KINDS
    assert set(GATES) <= rules.GATE_WORDS.keys()
    assert set(Attempt.State.values) == rules.TRY_WORDS.keys()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "not known yet"), (0.4, "under 1 s"), (41, "41 s"), (60, "1 min"), (5_100, "1 h 25 min"), (7_200, "2 h"), (300_000, "3 days")],
)  # fmt: skip
def test_a_length_of_time_is_said_in_words(seconds: float | None, words: str) -> None:
    assert rules.length_in_words(seconds) == words


@pytest.mark.parametrize(
    ("days", "words"),
    [(0, "10:40"), (1, "Fri 10:40"), (-6, "Fri 10:40"), (19, "15 Dec"), (400, "31 Dec 2027")],
)
def test_a_moment_is_said_as_near_as_it_is(days: int, words: str) -> None:
    assert rules.moment_in_words(NOW + timedelta(days=days), now=NOW) == words


@pytest.mark.parametrize(
    ("day", "words"),
    [("2026-09-02", "2 Sep 2026"), ("2026-09", "Sep 2026"), ("2026", "2026"), ("", "no date")],
)
def test_a_day_is_said_as_far_as_it_is_known(day: str, words: str) -> None:
    assert rules.day_in_words(day) == words


@given(amounts)
def test_bars_stay_inside_their_drawing_and_stand_on_one_line(values: list[int]) -> None:
    bars = rules.spark_bars(values)

    assert len(bars) == len(values)
    assert all(bar.y >= 0 and bar.y + bar.height <= rules.SPARK_HEIGHT + 0.15 for bar in bars)
    assert [bar.is_last for bar in bars].count(True) == 1


def test_losses_hang_and_gains_stand() -> None:
    gain, loss = rules.spark_bars([10, -10])

    assert gain.y + gain.height == pytest.approx(17, abs=0.1)
    assert loss.y == pytest.approx(17, abs=0.1)


@given(st.integers(0, 10**10), st.integers(0, 10**10), st.integers(0, 10**10))
def test_a_cap_bar_is_never_wider_than_its_cap(spent: int, held: int, cap: int) -> None:
    marks = rules.cap_marks(spent=spent, held=held, cap=cap)

    assert 0 <= marks.spent <= 100
    assert marks.held >= 0
    assert marks.spent + marks.held <= 100.1


def test_a_cap_is_near_from_four_fifths_spent_and_held_together() -> None:
    assert rules.cap_marks(spent=50, held=30, cap=100).is_near
    assert not rules.cap_marks(spent=50, held=29, cap=100).is_near


@given(st.floats(0, 100), st.floats(0, 100), st.floats(10, 1000))
def test_a_range_ends_where_its_best_case_is(low: float, high: float, width: float) -> None:
    low, high = sorted((low, high))

    marks = rules.range_marks(None, low=low, high=high, width=width)

    assert marks.low + marks.open_width == pytest.approx(width * high / 100, abs=0.2)
    assert marks.points is None


@given(st.floats(0, 100), st.floats(0, 100), st.floats(0, 100), st.sampled_from([354.0, 714.0]))
def test_the_words_at_a_score_stay_inside_the_drawing_and_off_each_other(
    a: float, b: float, c: float, width: float
) -> None:
    low, points, high = sorted((a, b, c))

    marks = rules.range_marks(points, low=low, high=high, width=width)

    assert rules.TICK_WORDS <= marks.points_end <= width
    assert marks.low_end >= rules.CASE_WORDS
    assert marks.low_end < marks.high_start <= width - rules.CASE_WORDS
