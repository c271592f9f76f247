"""Urgent work goes first, waiting lifts, and the stored rank agrees with the priority at every moment."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.work.rules import effective_priority, limit_s, rank

bases = st.integers(min_value=0, max_value=100)
minutes = st.integers(min_value=0, max_value=5_000)
chains = st.integers(min_value=0, max_value=30)


@given(st.integers(min_value=10, max_value=100), minutes, chains, st.floats(min_value=-9, max_value=99))
def test_nothing_overtakes_urgent_work(base: int, waited: int, behind: int, hours: float) -> None:
    lifted = effective_priority(base, waited_min=waited, behind=behind, hours_left=hours)
    urgent = effective_priority(9, waited_min=0, behind=0)

    assert urgent < lifted <= base


def test_a_base_of_90_reaches_60_after_300_minutes() -> None:
    assert effective_priority(90, waited_min=300, behind=0) == pytest.approx(60)


def test_a_long_chain_behind_lifts_by_20_at_most() -> None:
    assert effective_priority(50, waited_min=0, behind=3) == 44
    assert effective_priority(50, waited_min=0, behind=30) == 30


def test_a_due_time_lifts_by_40_when_it_has_come_and_by_half_four_hours_before() -> None:
    lifts = [60 - effective_priority(60, waited_min=0, behind=0, hours_left=h) for h in (-3, 0, 4, 8)]

    assert lifts == [40, 40, 20, 10]


@given(bases, bases, minutes, minutes, chains, chains)
def test_the_rank_sorts_as_the_priority_does_at_any_moment(
    base: int, other: int, since: int, later: int, behind: int, more: int
) -> None:
    now = 10_000.0
    ranks = (
        rank(base, ready_min=since, behind=behind),
        rank(other, ready_min=later, behind=more),
    )
    priorities = (
        effective_priority(base, waited_min=now - since, behind=behind),
        effective_priority(other, waited_min=now - later, behind=more),
    )

    assert (ranks[0] - ranks[1]) * (priorities[0] - priorities[1]) >= -1e-6


@pytest.mark.parametrize(
    ("task_type", "minutes"),
    [
        ("decompose", 5),
        ("review", 30),
        ("research", 30),
        ("test", 60),
        ("deploy", 60),
        ("code", 240),
        ("?", 60),
    ],
)
def test_every_type_has_its_time(task_type: str, minutes: int) -> None:
    assert limit_s(task_type) == minutes * 60
