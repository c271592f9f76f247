"""What an answer says of its bill and its words, however its provider tells it."""

import json
from typing import Any

import pytest

from agents.gateway.adapters.ears import ear_for, whole_as_events
from agents.gateway.adapters.openai import OpenAIEar
from agents.gateway.door.tongues import MessagesTongue, openai_pieces
from agents.gateway.door.translating import Interpreter
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


ZEROS: dict[str, Any] = {
    "chat": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
    "messages": {"input_tokens": 0, "output_tokens": 0},
    "responses": {"input_tokens": 0, "output_tokens": 0},
    "embeddings": {"prompt_tokens": 0, "total_tokens": 0},
}


def whole(door: str, text: str, usage: Any, **more: Any) -> Said:
    """Return what is heard in a whole answer of this text."""
    message = {"role": "assistant", "content": text}
    parts = [{"type": "output_text", "text": text}]
    shapes: dict[str, dict[str, Any]] = {
        "chat": {"choices": [{"message": message, "finish_reason": "stop"}]},
        "messages": {"content": [{"type": "text", "text": text}], "stop_reason": "end_turn"},
        "responses": {"status": "completed", "output": [{"type": "message", "content": parts}]},
        "embeddings": {"data": [{"embedding": [0.1]}]},
    }
    return heard(door, *whole_as_events(door, {"model": "m", "usage": usage, **shapes[door], **more}))


@pytest.mark.parametrize("door", list(ZEROS))
def test_a_bill_of_zeros_is_none_for_what_was_asked_had_to_be_read(door: str) -> None:
    assert whole(door, "", ZEROS[door]).usage is None


@pytest.mark.parametrize("door", ["chat", "messages", "responses"])
def test_words_that_were_heard_were_written_and_of_an_empty_answer_nothing_was(door: str) -> None:
    name = "prompt_tokens" if door == "chat" else "input_tokens"
    usage = {**ZEROS[door], name: 7}

    assert whole(door, "Hello", usage).usage is None
    assert whole(door, "", usage).usage == Usage(7, 0)


def test_calls_of_tools_were_written_too() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"path": "a"}'}}
    block = {"type": "tool_use", "id": "c1", "name": "look", "input": {"path": "a"}}
    item = {"type": "function_call", "call_id": "c1", "name": "look", "arguments": '{"path": "a"}'}

    chat = whole(
        "chat", "", {"prompt_tokens": 7}, choices=[{"message": {"content": None, "tool_calls": [call]}}]
    )
    messages = whole("messages", "", {"input_tokens": 7, "output_tokens": 0}, content=[block])
    responses = whole("responses", "", {"input_tokens": 7, "output_tokens": 0}, output=[item])

    assert (chat.usage, messages.usage, responses.usage) == (None, None, None)


def test_counting_is_free_and_a_prompt_that_was_wholly_cached_was_read_all_the_same() -> None:
    cached = {"input_tokens": 0, "cache_read_input_tokens": 900, "output_tokens": 3}

    assert heard("count_tokens", {"input_tokens": 12}).usage == Usage(0, 0)
    assert whole("messages", "Hi", cached).usage == Usage(900, 3, cached=900)


def pieces(*calls: Any, finish: str | None = None) -> Any:
    """Return a chunk of a chat with pieces of calls: id, name, arguments."""
    told = [
        {
            key: value
            for key, value in (("id", call_id), ("function", {"name": name, "arguments": raw}))
            if value
        }
        for call_id, name, raw in calls
    ]
    return {"choices": [{"index": 0, "delta": {"tool_calls": told}, "finish_reason": finish}]}


def test_calls_without_an_index_are_told_apart_by_their_ids_or_begin_with_their_names() -> None:
    by_id = heard(
        "chat",
        pieces(("a", "look", '{"x":'), ("b", "read", "{}")),
        pieces(("a", "look", "1}"), finish="tool_calls"),
    )
    by_name = heard(
        "chat",
        pieces(("", "look", '{"x":')),
        pieces(("", "", "1}")),
        pieces(("", "look", '{"x":2}'), finish="stop"),
    )

    assert [(call.id, call.name, call.arguments) for call in by_id.tool_calls] == [
        ("a", "look", {"x": 1}),
        ("b", "read", {}),
    ]
    assert [call.arguments for call in by_name.tool_calls] == [{"x": 1}, {"x": 2}]


@pytest.mark.parametrize(
    ("finish", "stop"), [("stop", "tools"), ("tool_calls", "tools"), ("length", "length")]
)
def test_an_answer_that_ends_with_calls_ends_for_them_whatever_its_provider_calls_it(
    finish: str, stop: str
) -> None:
    assert heard("chat", pieces(("a", "look", "{}"), finish=finish)).stop == stop
    assert heard("chat", {"choices": [{"delta": {}, "finish_reason": "stop"}]}).stop == "end"


def test_arguments_that_come_as_an_object_are_read_as_one() -> None:
    call = {"id": "c1", "function": {"name": "look", "arguments": {"path": "a"}}}

    said = whole("chat", "", {}, choices=[{"message": {"tool_calls": [call]}, "finish_reason": "stop"}])

    assert said.tool_calls[0].arguments == {"path": "a"}


def test_what_was_put_right_is_told_on_in_other_words() -> None:
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}
    parts = {"choices": [{"delta": {"content": [thought, {"type": "text", "text": "Look."}]}}]}
    objects = pieces(("a", "look", {"path": "a"}), ("b", "read", "{}"), finish="stop")
    hearing = Interpreter(OpenAIEar(), MessagesTongue("m"), openai_pieces, is_stream=True)

    told = b"".join(
        hearing.feed(b"data: " + json.dumps(event).encode() + b"\n\n") for event in (parts, objects)
    )

    events = [
        json.loads(line[6:]) for line in (told + hearing.end()).decode().splitlines() if line[:6] == "data: "
    ]
    blocks = [event["content_block"] for event in events if event["type"] == "content_block_start"]
    assert [block.get("name", "") for block in blocks] == ["", "look", "read"]
    assert (
        "".join(event["delta"]["text"] for event in events if event.get("delta", {}).get("text")) == "Look."
    )
    assert '{"path": "a"}' in [event["delta"].get("partial_json") for event in events if "delta" in event]
    assert [event["delta"]["stop_reason"] for event in events if event["type"] == "message_delta"] == [
        "tool_use"
    ]


@pytest.mark.parametrize(
    ("tier", "is_dearer"), [("priority", True), ("fast", True), ("default", False), ("flex", False)]
)
def test_a_dearer_lane_in_which_openai_served_is_heard_at_both_doors(tier: str, is_dearer: bool) -> None:  # noqa: FBT001  a row of the table
    chat, response = {"prompt_tokens": 7, "completion_tokens": 3}, {"input_tokens": 7, "output_tokens": 3}

    streamed = heard(
        "chat", {**words("Hi"), "service_tier": tier}, {"choices": [], "usage": chat, "service_tier": None}
    )

    assert streamed.is_dearer == is_dearer
    assert whole("chat", "Hi", chat, service_tier=tier).is_dearer == is_dearer
    assert whole("responses", "Hi", response, service_tier=tier).is_dearer == is_dearer


def test_what_anthropic_calls_priority_was_paid_for_in_advance() -> None:
    usage = {"input_tokens": 7, "output_tokens": 3, "service_tier": "priority"}

    assert not whole("messages", "Hi", usage).is_dearer
