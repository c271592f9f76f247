"""What money sees in a request: every word, how much may be written, and what nobody can bound."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.gateway.rules.reading import PICTURE, Unbounded, most_of, read_request

CHAT: dict[str, Any] = {
    "model": "m",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "Hello there."}],
}


def with_(**fields: Any) -> dict[str, Any]:
    """Return the plain request with these fields."""
    return {**CHAT, **fields}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (CHAT, ["Hello there."]),
        (with_(system=[{"type": "text", "text": "Be brief."}]), ["Be brief.", "Hello there."]),
        (with_(messages=[{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "tool_result", "tool_use_id": "x", "content": "b"}]}]), ["a", "b"]),
        ({"model": "m", "max_output_tokens": 9, "instructions": "c", "input": "d"}, ["c", "d"]),
    ],
)  # fmt: skip
def test_every_word_a_model_reads_is_counted(body: dict[str, Any], words: list[str]) -> None:
    assert list(read_request(body).texts) == words


@given(
    st.recursive(
        st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["text", "content", "name", "arguments", "other"]), inner, max_size=3
            )
        ),
    )
)
def test_no_word_hides_in_any_shape_of_a_message(content: Any) -> None:
    def leaves(part: Any) -> list[str]:
        if isinstance(part, str):
            return [part]
        parts = part.values() if isinstance(part, dict) else part
        return [leaf for one in parts for leaf in leaves(one)]

    reading = read_request(with_(messages=[{"role": "user", "content": content}]))

    assert sorted(reading.texts) == sorted(leaves(content))


@pytest.mark.parametrize("name", ["type", "role", "id", "call_id", "status", "cache_control"])
def test_no_word_hides_under_a_name_that_is_none(name: str) -> None:
    part = {"role": "user", "content": "Hi", name: "word " * 50}

    assert "word " * 50 in read_request(with_(messages=[part])).texts
    assert read_request(with_(messages=[{"content": "Hi", name: "call_1"}])).texts == ("Hi",)


def test_tools_schemas_and_unknown_fields_are_read_whole() -> None:
    tool = {"type": "function", "function": {"name": "read", "parameters": {"type": "object"}}}
    body = with_(tools=[tool], response_format={"type": "json_schema"}, strange={"a": "b"})

    reading = read_request(body)

    assert [json.loads(text) for text in reading.texts[1:]] == [[tool], {"type": "json_schema"}, {"a": "b"}]
    assert reading.has_tools
    assert reading.parts == 2


@pytest.mark.parametrize(
    ("fields", "room"),
    [
        ({}, 100), ({"n": 3}, 300), ({"thinking": {"type": "enabled", "budget_tokens": 50}}, 100),
        ({"thinking": {"type": "enabled", "budget_tokens": 20_000}}, 20_100), ({"max_completion_tokens": 7}, 7), ({"best_of": 2}, 200),
    ],
)  # fmt: skip
def test_the_room_is_every_choice_and_thinking_counted_apart(fields: dict[str, Any], room: int) -> None:
    assert read_request(with_(**fields)).room == room


@pytest.mark.parametrize(
    ("fields", "writes"),
    [
        ({}, ""), ({"system": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]}, "5m"),
        ({"system": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]}, "1h"),
        ({"tools": [{"name": "a", "cache_control": {"ttl": "5m"}}, {"name": "b", "cache_control": {"ttl": "2h"}}]}, "1h"),
    ],
)  # fmt: skip
def test_what_is_kept_in_the_cache_is_seen_wherever_it_is_marked(fields: dict[str, Any], writes: str) -> None:
    assert read_request(with_(**fields)).writes == writes


@pytest.mark.parametrize(
    "fields",
    [
        {"max_tokens": None}, {"max_tokens": 0}, {"max_tokens": -1}, {"max_tokens": 10**12}, {"max_tokens": "9"}, {"max_tokens": True}, {"n": -1},
        {"n": 10**9}, {"thinking": {"budget_tokens": "x"}}, {"service_tier": "priority"}, {"speed": "fast"}, {"modalities": ["text", "audio"]},
        {"tools": [{"type": "code_interpreter"}]}, {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, {"tools": ["x"]},
        {"web_search_options": {}, "inference_geo": "us"}, {"mcp_servers": [{"url": "x"}]}, {"background": True},
    ],
)  # fmt: skip
def test_what_nobody_can_bound_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(Unbounded):
        read_request(with_(**fields))


def test_a_search_with_a_limit_may_fill_the_window_at_every_round() -> None:
    search = {"type": "web_search_20250305", "name": "web_search", "max_uses": 2}

    reading = read_request(with_(tools=[search]))
    most = most_of(reading, counted=500, way="asked", window_tokens=200_000, model="claude-sonnet-4-5")

    assert (most.searches, most.prompt) == (2, 600_000)


def test_a_picture_is_dear_and_a_document_is_its_providers_to_count() -> None:
    picture = read_request(
        with_(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:x"}}]}])
    )
    paper = read_request(
        with_(messages=[{"role": "user", "content": [{"type": "document", "source": {"data": "x"}}]}])
    )

    sizes = [
        most_of(picture, counted=0, way="vocabulary", window_tokens=1, model=m).prompt
        for m in ("gpt-5.2", "gpt-4o-mini", "gpt-6-sol", "gpt-5.5", "gemini-2.5-pro")
    ]
    assert PICTURE < sizes[0] < 2 * PICTURE
    assert sizes[1] > 48_200  # 4000 x 3000 at 4o-mini's factor
    assert all(size > 36_000 for size in sizes[2:])  # 30,000 patches at 1.2 tokens
    with pytest.raises(Unbounded):
        most_of(paper, counted=0, way="bytes", window_tokens=1, model="m")
    assert most_of(paper, counted=10, way="asked", window_tokens=1, model="m").prompt > 10


def test_tools_that_their_maker_describes_count_where_only_bytes_do() -> None:
    known = [{"type": "bash_20250124", "name": "bash"}, {"type": "computer_20250124", "name": "computer"}]
    own = [{"name": "bash", "input_schema": {}}, {"name": "computer", "input_schema": {}}]

    sizes = [
        most_of(read_request(with_(tools=tools)), counted=0, way="bytes", window_tokens=1, model="m").prompt
        for tools in (known, own)
    ]

    assert sizes[0] - sizes[1] >= 245 + 735 + 499  # what Anthropic publishes for these two
