"""Arithmetic of money: nothing is lost, whatever is split or summed."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from factory.insight.rules import amounts_by_day, days_back, pnl_rows, split_shared

costs = st.dictionaries(st.integers(0, 20), st.integers(-5, 10**9), min_size=1)
money = st.integers(-(10**9), 10**9)
rows = st.lists(
    st.tuples(st.dates(date(2026, 1, 1), date(2026, 1, 4)), st.sampled_from(["fee", "model_call"]), money)
)


@given(st.integers(0, 10**12), costs)
def test_a_shared_cost_is_split_to_the_last_millionth(shared: int, direct: dict[int, int]) -> None:
    parts = split_shared(shared, direct=direct)

    assert sum(parts.values()) == shared
    assert parts.keys() == direct.keys()
    assert all(part >= 0 for part in parts.values())


@given(st.integers(0, 10**9), costs)
def test_who_cost_more_by_itself_never_carries_less_of_what_is_shared(
    shared: int, direct: dict[int, int]
) -> None:
    parts = split_shared(shared, direct=direct)

    largest = max(direct, key=lambda key: direct[key])
    assert parts[largest] == max(parts.values())


def test_a_shared_cost_is_split_equally_when_nobody_cost_anything() -> None:
    assert split_shared(10, direct={"a": 0, "b": 0, "c": 0}) == {"a": 4, "b": 3, "c": 3}


def test_a_shared_cost_stays_shared_when_there_is_no_product() -> None:
    assert split_shared(10, direct={}) == {}


@given(rows)
def test_rows_of_a_profit_and_loss_add_up_to_what_was_given(given_rows: list[tuple[date, str, int]]) -> None:
    made = pnl_rows(given_rows)

    assert sum(row.amount_microusd for row in made) == sum(amount for *_, amount in given_rows)
    assert [(row.day, row.kind) for row in made] == sorted({(row.day, row.kind) for row in made})


def test_a_day_without_money_is_a_bar_of_nothing() -> None:
    last = date(2026, 3, 1)

    assert amounts_by_day({last: 7, last - timedelta(days=2): 5}, last=last, count=4) == (0, 5, 0, 7)
    assert days_back(last, count=2) == (date(2026, 2, 28), last)
