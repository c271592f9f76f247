"""Profit drawn, schedules in words, files as they changed."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.console.rules.pnl import MOST_BARS, SIZES, by_span, pnl_plot
from factory.console.rules.transcript import Line, changed_files, changed_lines
from factory.console.rules.waits import cron_in_words, is_topic

DAYS = st.dates(date(2026, 1, 1), date(2027, 6, 1))
AMOUNTS = st.integers(-500_000_000, 500_000_000)


@given(st.lists(st.tuples(DAYS, AMOUNTS), min_size=1, max_size=60))
def test_spans_lose_no_cent(rows: list[tuple[date, int]]) -> None:
    sums = by_span(rows, until=max(day for day, _ in rows))

    assert len(sums) <= MOST_BARS
    assert sum(one.came - one.went for one in sums) == sum(amount for _, amount in rows)


@given(st.lists(st.tuples(DAYS, AMOUNTS), min_size=1, max_size=60), st.sampled_from(sorted(SIZES)))
def test_no_mark_leaves_the_drawing(rows: list[tuple[date, int]], size: str) -> None:
    plot = pnl_plot(by_span(rows, until=max(day for day, _ in rows)), size=size)

    for mark in plot.marks:
        assert plot.left <= mark.x <= mark.x + mark.width <= plot.right + 1
        assert 0 <= mark.y <= mark.y + mark.height <= plot.height + 0.2
    assert 0 <= plot.end[1] <= plot.height


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("0 5 * * *", "daily 05:00"),
        ("10 * * * *", "hourly at :10"),
        ("30 8 * * 1", "Mondays 08:30"),
        ("0 6 1 * *", "monthly on day 1, 06:00"),
        ("*/5 * * * *", "by “*/5 * * * *”"),
        ("nonsense", "by “nonsense”"),
    ],
)
def test_common_schedules_have_words_and_others_stand_as_written(cron: str, words: str) -> None:
    assert cron_in_words(cron) == words


def test_only_real_topics_may_be_heard() -> None:
    assert is_topic("home")
    assert is_topic("dag:01a218fd-1176-7a5b-b8c7-4ebb08a9fbad")
    assert not is_topic("dag:../../x")
    assert not is_topic("everything")


def test_a_long_change_shows_its_beginning_and_counts_the_rest() -> None:
    lines = changed_lines("", "\n".join(str(n) for n in range(300)))

    assert lines[1] == "+0"
    assert lines[-1].startswith("@ ")


def test_written_files_are_summed_over_all_writes() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    first = Line("write", now, title="a.py", diff=("+x", "−y"))
    second = Line("write", now + timedelta(minutes=1), title="a.py", diff=("+z",))
    refused = Line("write", now, title="b.py", diff=("+x",), state="refused")

    (one,) = changed_files([first, second, refused])

    assert (one.path, one.added, one.dropped) == ("a.py", 2, 1)
