"""The time axis of a trace: all inside, in order, work to scale, pauses short."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from factory.console.rules.axis import LEAST, WIDTH, axis_of

BEGAN = datetime(2026, 11, 26, 10, 0, tzinfo=UTC)
STRETCHES = st.lists(st.tuples(st.integers(0, 10_000_000), st.integers(0, 5_000)), min_size=1, max_size=30)


def at(seconds: float) -> datetime:
    """Return this long after the beginning."""
    return BEGAN + timedelta(seconds=seconds)


@given(STRETCHES)
def test_every_bar_stands_on_the_axis_and_who_began_first_stands_first(found: list[tuple[int, int]]) -> None:
    stretches = [(at(start), at(start + length)) for start, length in found]
    axis = axis_of(stretches)
    assert axis is not None

    bars = [axis.bar(start, end, now=end) for start, end in sorted(stretches)]

    assert all(
        bar and bar.x >= 0 and bar.width >= LEAST and bar.x + bar.width <= WIDTH + 0.11 for bar in bars
    )
    places = [bar.x for bar in bars if bar]
    assert places == sorted(places)


def test_work_is_drawn_to_scale_and_a_night_between_is_short() -> None:
    axis = axis_of([(at(0), at(100)), (at(50_000), at(50_300))])
    assert axis is not None

    first, second = (
        axis.bar(at(start), at(end), now=at(60_000)) for start, end in ((0, 100), (50_000, 50_300))
    )

    assert first is not None
    assert second is not None
    assert round(second.width / first.width, 1) == 3.0
    assert second.x - first.width < 0.03 * WIDTH


def test_what_is_not_over_goes_on_until_now_and_what_never_began_has_no_bar() -> None:
    axis = axis_of([(at(0), at(100))])
    assert axis is not None

    going = axis.bar(at(50), None, now=at(100))

    assert going is not None
    assert (going.x, going.width) == (500.0, 500.0)
    assert axis.bar(None, None, now=at(100)) is None


def test_without_work_there_is_no_axis() -> None:
    assert axis_of([]) is None
