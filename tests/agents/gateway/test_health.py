"""Who is last choice for now: read from what the last calls did."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.gateway.rules.health import ERRORS, Seen, health_of

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def seen(ago_s: float, fault: str = "", *, model: str = "m", **more: Any) -> Seen:
    """Return a call that ended so long ago."""
    return Seen("p", model, NOW - timedelta(seconds=ago_s), fault, **more)


@pytest.mark.parametrize(
    ("rows", "down"),
    [
        ([], {}),
        ([seen(1)], {}),
        ([seen(1, "server")], {}),
        ([seen(1, "rate_limited")], {"p/m": "asked to wait"}),
        ([seen(3, "rate_limited")], {}),
        ([seen(3, "rate_limited", retry_after_s=7)], {"p/m": "asked to wait"}),
        ([seen(61, "rate_limited", retry_after_s=9_999)], {}),
        ([seen(3, "rate_limited", retry_after_s=7), seen(1)], {}),
        ([seen(4), seen(3, "server"), seen(2, "cut"), seen(1, "silent")], {"p/m": "its provider fails"}),
        ([seen(4), seen(3, "server"), seen(2, "cut"), seen(1, "silent"), seen(0)], {}),
        ([seen(4), seen(3), seen(2, "cut"), seen(1, "silent")], {}),
        ([seen(130, "server"), seen(129, "cut"), seen(128, "cut"), seen(127, "silent")], {}),
        ([seen(200 - n, "server") for n in range(5)], {"p/m": "it fails"}),
        ([seen(400 - n, "server") for n in range(5)], {}),
        ([seen(200 - n, "refused_request") for n in range(9)], {}),
        ([seen(5 - n, "server", model="other") for n in range(4)] + [seen(60)], {"p/m": "its provider fails", "p/other": "its provider fails"}),
    ],
)  # fmt: skip
def test_the_table_of_health(rows: list[Seen], down: dict[str, str]) -> None:
    assert health_of(rows, now=NOW).down == down
    assert health_of(reversed(rows), now=NOW).down == down


def test_who_asks_to_wait_gets_half_as_many_at_once_each_time_and_all_again_after_a_minute() -> None:
    crowds = [
        health_of([seen(n, "rate_limited") for n in range(count)], now=NOW).parallel for count in range(1, 6)
    ]

    assert [crowd["p"] for crowd in crowds] == [4, 2, 1, 1, 1]
    assert health_of([seen(61, "rate_limited")], now=NOW).parallel == {}


def test_how_fast_a_model_begins_is_the_middle_of_what_was_seen() -> None:
    rows = [seen(n, first_token_ms=ms) for n, ms in enumerate((100, 900, 200))] + [seen(9)]

    assert health_of(rows, now=NOW).first_token_ms == {"p/m": 200}


ROWS = st.builds(
    seen, st.floats(0, 600), st.sampled_from(["", "rate_limited", "refused_request", *sorted(ERRORS)])
)


@given(st.lists(ROWS), st.floats(0, 600))
def test_an_answer_makes_well_at_once(rows: list[Seen], ago_s: float) -> None:
    last = [row for row in rows if NOW - row.ended_at > timedelta(seconds=ago_s)]

    assert health_of([*last, seen(ago_s)], now=NOW).down == {}
