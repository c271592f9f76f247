"""What an approval is bound to, and what presses most."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from approvals.rules import USE_WITHIN, digest_of_effect, oldest_answer_in_force, urgency

Facts = dict[str, Any]
values = st.recursive(
    st.integers() | st.text() | st.booleans(), lambda inner: st.lists(inner, max_size=3), max_leaves=5
)
facts = st.dictionaries(st.text(max_size=8), values, max_size=4)
stakes = st.integers(min_value=1, max_value=10**12)
spans = st.timedeltas(min_value=timedelta(minutes=1), max_value=timedelta(days=2))


@given(facts, facts)
def test_the_same_effect_has_the_same_digest_in_whatever_order_it_is_told(
    arguments: Facts, binds: Facts
) -> None:
    turned = dict(reversed(arguments.items()))

    assert digest_of_effect("pay", arguments, binds) == digest_of_effect("pay", turned, binds)


@given(facts, facts, facts)
def test_another_effect_has_another_digest(arguments: Facts, binds: Facts, other: Facts) -> None:
    digest = digest_of_effect("pay", arguments, binds)

    assert digest_of_effect("refund", arguments, binds) != digest
    assert (digest_of_effect("pay", arguments, other) == digest) == (repr_of(other) == repr_of(binds))


def repr_of(said: Facts) -> object:
    """Return what tells two sets of facts apart: true and 1 are not the same."""
    return sorted((key, repr(value)) for key, value in said.items())


@given(stakes, spans, spans)
def test_less_time_presses_more_and_so_does_a_larger_stake(
    stake: int, one: timedelta, other: timedelta
) -> None:
    soon, late = sorted([one, other])

    assert urgency(worst_case_microusd=stake, left=soon) >= urgency(worst_case_microusd=stake, left=late)
    assert urgency(worst_case_microusd=2 * stake, left=soon) > urgency(worst_case_microusd=stake, left=soon)


def test_an_unknown_stake_counts_as_five_hundred_dollars_and_no_time_left_is_no_division() -> None:
    hour = timedelta(hours=1)

    assert urgency(worst_case_microusd=None, left=hour) == urgency(worst_case_microusd=500_000_000, left=hour)
    assert urgency(worst_case_microusd=60, left=-hour) == 3600


def test_an_answer_is_void_exactly_when_its_time_is_over() -> None:
    now = datetime(2026, 11, 26, 12, tzinfo=UTC)

    assert now - oldest_answer_in_force(now) == USE_WITHIN == timedelta(hours=4)
