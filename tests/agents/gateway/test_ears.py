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


def words(text: str) -> Any:
    """Return a chunk of a chat that says so much."""
    return {"model": "m", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]}


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


def test_what_is_told_as_written_before_anything_was_written_is_no_bill() -> None:
    first = {"input_tokens": 10, "output_tokens": 1}

    said = heard(
        "messages",
        {"type": "message_start", "message": {"model": "claude-haiku-4-5", "usage": first}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}},
    )

    assert said.usage is None


COUNTS = ["12", 12.0, None, [12], -1, True]


@pytest.mark.parametrize("count", COUNTS, ids=repr)
@pytest.mark.parametrize(
    "name", ["prompt_tokens", "completion_tokens", "total_tokens", "cached", "reasoning"]
)
def test_a_bill_of_openai_that_holds_no_counts_is_read_as_none_or_as_one_nobody_believes(
    name: str, count: Any
) -> None:
    usage: dict[str, Any] = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    usage |= {
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }
    inner = {"cached": "prompt_tokens_details", "reasoning": "completion_tokens_details"}
    usage |= {inner[name]: {f"{name}_tokens": count}} if name in inner else {name: count}

    said = heard("chat", words("Hi"), {"choices": [], "usage": usage})

    assert said.text == "Hi"
    assert (
        said.usage is None
        or not said.usage.is_plausible
        or said.usage == Usage(10, 5, reasoning=said.usage.reasoning)
    )


@pytest.mark.parametrize(
    "usage",
    [{}, [], "12", {"prompt_tokens_details": "x"}, {"input_tokens": "9", "output_tokens": 3}],
    ids=repr,
)
@pytest.mark.parametrize("door", ["chat", "messages", "responses", "embeddings"])
def test_a_bill_of_any_shape_breaks_no_answer(door: str, usage: Any) -> None:
    whole = {
        "id": "1", "model": "m", "usage": usage, "status": "completed",
        "choices": [{"message": {"role": "assistant", "content": "Hi"}}], "content": [{"type": "text", "text": "Hi"}],
    }  # fmt: skip

    said = heard(door, *whole_as_events(door, whole))

    assert said.usage is None or not said.usage.is_plausible


def test_chunks_without_choices_are_heard_for_what_else_they_tell() -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 5}

    said = heard("chat", words("Hi"), {"model": "m", "choices": None}, {"model": "m", "usage": usage})

    assert (said.text, said.usage, said.model) == ("Hi", Usage(10, 5), "m")


def test_words_that_come_as_a_list_of_parts_are_heard_and_thoughts_only_counted() -> None:
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm, well"}]}
    ear = ear_for("chat")

    ear.hear({"choices": [{"delta": {"role": "assistant", "content": [thought]}}]})
    thoughts = ear.written_bytes
    ear.hear({"choices": [{"delta": {"content": [{"type": "text", "text": "Hello"}, {"type": "odd"}, "!"]}}]})
    ear.hear(words(" there"))

    assert (thoughts, ear.written_bytes) == (len("Hm, well"), len("Hm, wellHello! there"))
    assert ear.said().text == "Hello! there"
