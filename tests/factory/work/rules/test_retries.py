"""A failure is repeated where that can help, later and later, and never without end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.work.rules import (
    ERROR_CLASSES,
    Record,
    backoff_s,
    is_poison,
    may_retry,
    tier_steps,
    wait_s,
)

RETRYABLE = {"transient", "invalid_output", "low_quality", "stuck", "crash"}


@pytest.mark.parametrize("error_class", sorted(ERROR_CLASSES))
def test_a_first_failure_is_repeated_unless_repeating_cannot_help(error_class: str) -> None:
    assert may_retry(error_class, record=Record(failures=1)) == (error_class in RETRYABLE)


@given(st.sampled_from(sorted(ERROR_CLASSES)), st.integers(min_value=3, max_value=99))
def test_nothing_is_tried_a_fourth_time(error_class: str, failures: int) -> None:
    assert not may_retry(error_class, record=Record(failures=failures))


def test_an_unexpected_exception_is_taken_for_passing_once() -> None:
    assert may_retry("crash", record=Record(failures=1, raised=1))
    assert not may_retry("crash", record=Record(failures=2, raised=2))


def test_two_deaths_are_survived() -> None:
    assert may_retry("crash", record=Record(failures=2, deaths=2))


def test_a_day_of_work_on_one_task_is_enough() -> None:
    assert not may_retry("transient", record=Record(failures=1, worked_s=86_400))


def test_three_deaths_or_three_failures_of_two_agents_are_poison() -> None:
    assert is_poison(Record(failures=3, deaths=3))
    assert is_poison(Record(failures=3, agents=2))
    assert not is_poison(Record(failures=3, deaths=2, agents=1))


@given(st.integers(min_value=1, max_value=40), st.floats(min_value=0, max_value=1))
def test_a_pause_doubles_up_to_five_minutes_with_half_of_it_either_way(failures: int, dice: float) -> None:
    plain = min(10 * 2 ** (failures - 1), 300)

    assert 0.5 * plain <= backoff_s(failures, dice=dice) <= 1.5 * plain


def test_what_a_reminder_mends_does_not_wait() -> None:
    waits = {name: wait_s(name, failures=2, dice=0.5) for name in sorted(RETRYABLE)}

    assert waits == {"crash": 20, "invalid_output": 0, "low_quality": 0, "stuck": 20, "transient": 20}


def test_the_third_attempt_and_one_after_poor_work_get_a_better_model_but_deaths_do_not_count() -> None:
    assert tier_steps("", faults=0) == 0
    assert tier_steps("transient", faults=1) == 0
    assert tier_steps("transient", faults=2) == 1
    assert tier_steps("low_quality", faults=1) == 1
