"""Equal questions and bundles."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from approvals.rules import Card, Waiting, cards_of

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
STORY = UUID(int=1)
moments = st.lists(
    st.tuples(st.sampled_from(["a", "b", ""]), st.sampled_from([None, STORY]), st.integers(0, 9_000)),
    max_size=30,
)


def asked(
    n: int, *, alike: str = "", story: UUID | None = None, after_s: float = 0.0, worst: int | None = 7_000_000
) -> Waiting:
    """Return a question of that many seconds after noon."""
    at = NOON + timedelta(seconds=after_s)
    return Waiting(UUID(int=n), alike, story, at, at + timedelta(hours=4), worst)


def kinds(cards: Sequence[Card]) -> list[tuple[str, int]]:
    """Return kind and size of each card."""
    return sorted((card.kind, len(card.items)) for card in cards)


@pytest.mark.parametrize(
    ("count", "every_s", "shown"),
    [
        (5, 60, [("one", 1)] * 5),
        (6, 60, [("equal", 6)]),
        (6, 720, [("equal", 6)]),
        (6, 721, [("one", 1)] * 6),
        (8, 700, [("equal", 8)]),
    ],
)
def test_more_than_five_equal_questions_in_an_hour_are_one_card(
    count: int, every_s: int, shown: list[tuple[str, int]]
) -> None:
    waiting = [asked(n, alike="refund", after_s=n * every_s) for n in range(count)]

    assert kinds(cards_of(waiting, now=NOON)) == shown


def test_equal_questions_show_their_total_and_the_first_deadline() -> None:
    waiting = [asked(n, alike="refund", after_s=n * 60) for n in range(8)]

    (card,) = cards_of(waiting, now=NOON)

    assert (card.worst_case_microusd, card.deadline) == (56_000_000, NOON + timedelta(hours=4))


def test_what_one_of_them_costs_is_not_known_so_the_total_is_not() -> None:
    waiting = [asked(n, story=STORY, worst=None if n else 5) for n in range(2)]

    (card,) = cards_of(waiting, now=NOON)

    assert card.worst_case_microusd is None


def test_questions_of_one_story_within_a_minute_are_a_bundle() -> None:
    waiting = [asked(n, story=STORY, after_s=at) for n, at in enumerate([0, 59, 60, 61, 130])]

    assert kinds(cards_of(waiting, now=NOON)) == [("bundle", 3), ("one", 1), ("one", 1)]


def test_questions_of_no_story_are_no_bundle() -> None:
    assert kinds(cards_of([asked(1), asked(2)], now=NOON)) == [("one", 1), ("one", 1)]


@given(moments)
def test_every_question_stands_on_exactly_one_card(told: list[tuple[str, UUID | None, int]]) -> None:
    waiting = [asked(n, alike=kind, story=story, after_s=at) for n, (kind, story, at) in enumerate(told)]

    cards = cards_of(waiting, now=NOON)

    assert sorted(one.id for card in cards for one in card.items) == [one.id for one in waiting]


def test_many_small_ones_come_before_one_larger_when_they_cost_more_together() -> None:
    waiting = [*(asked(n, alike="refund") for n in range(6)), asked(9, worst=30_000_000)]

    assert [card.kind for card in cards_of(waiting, now=NOON)] == ["equal", "one"]
