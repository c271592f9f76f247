"""What an answer says of its bill and its words, however its provider tells it."""

from typing import Any

import pytest

from agents.gateway.adapters.ears import ear_for, whole_as_events
from agents.gateway.ports import Said, Usage


def heard(door: str, *events: Any) -> Said:
    """Return what an ear of this door hears in a stream."""
    ear = ear_for(door)
    for event in events:
        ear.hear(event)
    return ear.said()


def test_what_the_cache_took_is_the_same_bill_at_both_doors_of_openai() -> None:
    chat = {
        "prompt_tokens": 100_000, "completion_tokens": 10, "total_tokens": 100_010,
        "prompt_tokens_details": {"cached_tokens": 20_000, "cache_write_tokens": 80_000},
    }  # fmt: skip
    response = {
        "input_tokens": 100_000, "output_tokens": 10, "total_tokens": 100_010,
        "input_tokens_details": {"cached_tokens": 20_000, "cache_write_tokens": 80_000},
    }  # fmt: skip

    done = {"type": "response.completed", "response": {"model": "gpt-6-sol", "usage": response}}

    assert heard("responses", done).usage == heard("chat", {"choices": [], "usage": chat}).usage
    assert heard("responses", done).usage == Usage(100_000, 10, cached=20_000, cache_write=80_000)


def test_a_usage_that_is_told_piece_by_piece_is_not_wiped_by_what_a_later_piece_leaves_open() -> None:
    first = {"input_tokens": 10, "cache_read_input_tokens": 4, "output_tokens": 1}
    last = {"input_tokens": None, "cache_read_input_tokens": None, "output_tokens": 5}

    said = heard(
        "messages",
        {"type": "message_start", "message": {"model": "claude-haiku-4-5", "usage": first}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": last},
    )

    assert said.usage == Usage(14, 5, cached=4)
