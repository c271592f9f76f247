"""Both protocols, as the providers write them."""

import json
from typing import Any

import pytest

from agents.gateway.adapters.rehearsal.answer import answer
from agents.gateway.adapters.rehearsal.dice import Seed
from tests.agents.gateway.rehearsal.asks import anthropic_body, blueprint_of, openai_body, said
from tests.agents.gateway.rehearsal.models import TOOLS, parameters_of

Json = dict[str, Any]
OPENAI, ANTHROPIC = "/v1/chat/completions", "/v1/messages"
HELLO: Json = {"role": "user", "content": "List what a page watcher has to do"}
CALLED: Json = {"id": "c1", "type": "function", "function": {"name": "list_files", "arguments": "{}"}}


def stream(path: str, body: Json) -> list[str]:
    reply = answer(path, json.dumps({**body, "stream": True}).encode(), seed=Seed.read("7:clean"))
    assert (reply.status, reply.content_type) == (200, "text/event-stream")
    return b"".join(reply.frames).decode().removesuffix("\n\n").split("\n\n")


def coder_brief() -> Json:
    shown = json.dumps(blueprint_of("Keep track of licences and remind before renewal"))
    brief = f"Part: core\nYou may write: **\n<blueprint>{shown}</blueprint>"
    return {"role": "user", "content": brief}


def test_openai_streams_role_text_finish_usage_and_done() -> None:
    *frames, done = stream(OPENAI, openai_body(HELLO, stream_options={"include_usage": True}))
    chunks = [json.loads(frame.removeprefix("data: ")) for frame in frames]
    *shown, end, usage = chunks

    assert done == "data: [DONE]"
    assert shown[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert "page watcher" in "".join(c["choices"][0]["delta"]["content"] for c in shown)
    assert end["choices"][0] == {"index": 0, "delta": {}, "finish_reason": "stop"}
    assert usage["choices"] == []
    assert (
        usage["usage"]["total_tokens"]
        == usage["usage"]["prompt_tokens"] + usage["usage"]["completion_tokens"]
    )
    assert all(c["usage"] is None for c in chunks[:-1])


def test_openai_tells_no_usage_unless_asked() -> None:
    frames = stream(OPENAI, openai_body(HELLO))

    assert not any("usage" in frame for frame in frames)


def test_openai_streams_tool_calls_in_pieces() -> None:
    tools = [
        {"type": "function", "function": {"name": n, "parameters": parameters_of(k)}}
        for n, k in TOOLS.items()
    ]
    frames = stream(OPENAI, openai_body(coder_brief(), tools=tools))
    deltas = [json.loads(frame[6:])["choices"][0] for frame in frames[:-1]]
    pieces = [call for d in deltas for call in d["delta"].get("tool_calls", ())]
    opening = [piece for piece in pieces if "id" in piece]

    assert {piece["function"]["name"] for piece in opening} == {"list_files", "read_file"}
    assert all(piece["type"] == "function" and piece["function"]["arguments"] == "" for piece in opening)
    for index in range(len(opening)):
        text = "".join(p["function"]["arguments"] for p in pieces if p["index"] == index)
        assert set(json.loads(text)) == {"path"}
    assert deltas[-1]["finish_reason"] == "tool_calls"


def test_anthropic_streams_blocks_between_message_start_and_stop() -> None:
    frames = stream(ANTHROPIC, anthropic_body(coder_brief()))
    events = [json.loads(frame.split("\ndata: ")[1]) for frame in frames]
    kinds = [event["type"] for event in events]

    assert all(frame.startswith(f"event: {kind}\n") for frame, kind in zip(frames, kinds, strict=True))
    assert (kinds[0], kinds[-2:]) == ("message_start", ["message_delta", "message_stop"])
    assert events[0]["message"]["usage"]["input_tokens"] > 500
    assert kinds.count("content_block_start") == kinds.count("content_block_stop") == 3
    used = [e["content_block"] for e in events if e["type"] == "content_block_start"][1:]
    assert [block["name"] for block in used] == ["list_files", "read_file"]
    assert all(block["input"] == {} for block in used)
    pieces = [
        e["delta"]["partial_json"] for e in events if e.get("delta", {}).get("type") == "input_json_delta"
    ]
    assert json.loads(pieces[0]) == {"path": "."}
    assert events[-2]["delta"] == {"stop_reason": "tool_use", "stop_sequence": None}
    assert events[-2]["usage"]["output_tokens"] > 10


@pytest.mark.parametrize("room", [4, 15])
def test_an_answer_ends_at_its_limit(room: int) -> None:
    short = said(anthropic_body(coder_brief(), max_tokens=room), path=ANTHROPIC)

    assert short["stop_reason"] == "max_tokens"
    assert short["usage"]["output_tokens"] <= room


def test_a_longer_prompt_costs_more_by_about_its_words() -> None:
    longer = {**HELLO, "content": HELLO["content"] + " indeed" * 1_000}

    more = (
        said(openai_body(longer))["usage"]["prompt_tokens"]
        - said(openai_body(HELLO))["usage"]["prompt_tokens"]
    )

    assert 800 <= more <= 1_200


def test_a_forced_tool_is_called() -> None:
    tool = {"type": "function", "function": {"name": "note", "parameters": parameters_of(["title"])}}
    choice = {"type": "function", "function": {"name": "note"}}

    made = said(openai_body(HELLO, tools=[tool], tool_choice=choice))["choices"][0]

    assert made["finish_reason"] == "tool_calls"
    assert set(json.loads(made["message"]["tool_calls"][0]["function"]["arguments"])) == {"title"}


def strict(schema: Json) -> Json:
    return {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "x", "schema": schema, "strict": True},
        }
    }


OPEN: Json = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
BOUND: Json = {"type": "object", "properties": {"a": {"type": "string", "minLength": 3}}}
RESULT: Json = {"role": "tool", "tool_call_id": "c1", "content": "x"}
WISH: Json = {"role": "assistant", "content": None, "tool_calls": [CALLED]}
EMPTY: Json = {"role": "user", "content": [{"type": "text", "text": " "}]}


@pytest.mark.parametrize(
    ("path", "body", "why"),
    [
        (OPENAI, openai_body(), "at least one message"),
        (OPENAI, openai_body(HELLO, RESULT), "answers no call"),
        (OPENAI, openai_body(HELLO, WISH), "without a result"),
        (OPENAI, openai_body(HELLO, WISH, HELLO), "without a result"),
        (OPENAI, openai_body(HELLO, **strict(OPEN)), "additionalProperties must be false"),
        (
            OPENAI,
            openai_body(HELLO, **strict({**OPEN, "additionalProperties": False, "required": []})),
            "required",
        ),
        (OPENAI, openai_body(HELLO, stream_options={"include_usage": True}), "only allowed with stream"),
        (ANTHROPIC, {"model": "m", "messages": [HELLO]}, "max_tokens"),
        (ANTHROPIC, anthropic_body({"role": "assistant", "content": "hi"}), "first message"),
        (ANTHROPIC, anthropic_body(EMPTY), "non-empty"),
        (ANTHROPIC, anthropic_body(HELLO, output_config={"format": {"schema": BOUND}}), "minLength"),
        (ANTHROPIC, anthropic_body(HELLO, tools=[{"name": "no spaces", "input_schema": {}}]), "tool name"),
        ("/v1/embeddings", openai_body(HELLO), "no such route"),
    ],
)
def test_what_a_provider_refuses_is_refused(path: str, body: Json, why: str) -> None:
    reply = answer(path, json.dumps(body).encode(), seed=Seed.read("7"))

    assert reply.status == 400
    assert why in json.loads(reply.frames[0])["error"]["message"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff\xfe", b"null", b"[" * 100_000])
def test_what_is_no_request_is_refused(body: bytes) -> None:
    assert answer(OPENAI, body, seed=Seed.read("7")).status == 400
