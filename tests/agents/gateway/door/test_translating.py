"""A door in front of a provider that speaks another protocol, and what passes through untouched."""

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from agents.gateway.models import Call
from core.adapters.tls import trusted
from tests.agents.gateway.door.conftest import Begin, Run
from tests.faults.client import Faults
from tests.faults.play import Play

if TYPE_CHECKING:
    from anthropic import Anthropic
    from openai import OpenAI

GPT, CLAUDE = "gpt-5.2", "claude-sonnet-4-5"
PLACES = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
CALLS = (("call_1", "weather", '{"city": "Oslo"}'), ("call_2", "weather", '{"city": "Bergen"}'))
BOTH = pytest.mark.parametrize("model", [GPT, CLAUDE])


def openai_of(run: Run) -> "OpenAI":
    """The OpenAI SDK as anybody uses it, pointed at the door."""
    from openai import OpenAI  # noqa: PLC0415 (a second, which only whoever runs these tests pays)

    return OpenAI(base_url=f"{run.site}/v1", api_key=run.token, max_retries=0)


def anthropic_of(run: Run) -> "Anthropic":
    """The Anthropic SDK as anybody uses it, pointed at the door."""
    from anthropic import Anthropic  # noqa: PLC0415 (the same)

    return Anthropic(base_url=run.site, api_key=run.token, max_retries=0)


@BOTH
def test_a_chat_reaches_either_provider(begin: Begin, faults: Faults, model: str) -> None:
    faults.plan(Play(text="Two calls.", calls=CALLS, stop="tools"))
    client = openai_of(begin())
    tools: Any = [
        {"type": "function", "function": {"name": "weather", "description": "Look.", "parameters": PLACES}}
    ]

    answer = client.chat.completions.create(
        model=model, messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
        max_completion_tokens=200, tools=tools, tool_choice="required",
    )  # fmt: skip

    message = answer.choices[0].message
    assert (message.content, answer.choices[0].finish_reason) == ("Two calls.", "tool_calls")
    assert [(c.id, c.function.name, json.loads(c.function.arguments)) for c in message.tool_calls or ()] == [  # type: ignore[union-attr]
        (call_id, name, json.loads(raw)) for call_id, name, raw in CALLS
    ]
    assert answer.usage
    assert answer.usage.prompt_tokens > 0
    assert Call.objects.get().status == "answered"


@BOTH
def test_a_chat_streams_from_either_provider(begin: Begin, faults: Faults, model: str) -> None:
    faults.plan(Play(text="One two three.", calls=CALLS, stop="tools"))
    client = openai_of(begin())

    chunks = list(
        client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "Hi"}], max_completion_tokens=200, stream=True,
            stream_options={"include_usage": True},
        )
    )  # fmt: skip

    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]
    parts: dict[int, str] = {}
    for call in (call for delta in deltas for call in delta.tool_calls or ()):
        parts[call.index] = parts.get(call.index, "") + ((call.function and call.function.arguments) or "")
    assert "".join(delta.content or "" for delta in deltas) == "One two three."
    assert [json.loads(raw) for raw in parts.values()] == [{"city": "Oslo"}, {"city": "Bergen"}]
    assert chunks[-1].usage
    assert chunks[-1].usage.completion_tokens > 0


def test_a_stream_whose_usage_nobody_asked_for_shows_none(begin: Begin, faults: Faults) -> None:
    client = openai_of(begin())

    chunks = list(
        client.chat.completions.create(
            model=GPT, messages=[{"role": "user", "content": "Hi"}], max_completion_tokens=200, stream=True
        )
    )

    assert all(chunk.choices for chunk in chunks)
    assert Call.objects.get().prompt_tokens


@BOTH
def test_a_message_reaches_either_provider(begin: Begin, faults: Faults, model: str) -> None:
    faults.plan(Play(text="Two calls.", calls=CALLS, stop="tools"))
    client = anthropic_of(begin())

    answer = client.messages.create(
        model=model, max_tokens=200, system="Be brief.", messages=[{"role": "user", "content": "Hi"}],
        tools=[{"name": "weather", "description": "Look.", "input_schema": PLACES}],  # type: ignore[typeddict-item]
    )  # fmt: skip

    assert answer.stop_reason == "tool_use"
    assert [block.type for block in answer.content] == ["text", "tool_use", "tool_use"]
    assert [block.input for block in answer.content if block.type == "tool_use"] == [
        {"city": "Oslo"},
        {"city": "Bergen"},
    ]
    assert answer.usage.input_tokens > 0


@BOTH
def test_a_message_streams_from_either_provider(begin: Begin, faults: Faults, model: str) -> None:
    faults.plan(Play(text="One two three.", calls=CALLS, stop="tools"))
    client = anthropic_of(begin())

    with client.messages.stream(
        model=model, max_tokens=200, messages=[{"role": "user", "content": "Hi"}]
    ) as stream:
        text = "".join(stream.text_stream)
        answer = stream.get_final_message()

    assert text == "One two three."
    assert [block.input for block in answer.content if block.type == "tool_use"] == [
        {"city": "Oslo"},
        {"city": "Bergen"},
    ]
    assert answer.stop_reason == "tool_use"


@BOTH
def test_a_response_reaches_either_provider(begin: Begin, faults: Faults, model: str) -> None:
    client = openai_of(begin())

    answer = client.responses.create(model=model, input="Hi", instructions="Be brief.", max_output_tokens=200)

    assert (answer.output_text, answer.status) == ("Hello.", "completed")
    assert answer.usage
    assert answer.usage.input_tokens > 0


@BOTH
def test_a_response_streams_from_either_provider_and_a_call_keeps_its_namespace(
    begin: Begin, faults: Faults, model: str
) -> None:
    name = "weather" if model == GPT else "mcp__sky__weather"
    faults.plan(Play(text="Look.", calls=(("call_1", name, '{"city": "Oslo"}'),), stop="tools"))
    client = openai_of(begin())
    inner = {"type": "function", "name": "weather", "parameters": PLACES, "strict": False}
    tools: Any = [{"type": "namespace", "name": "mcp__sky", "description": "The sky.", "tools": [inner]}]

    with client.responses.stream(model=model, input="Hi", max_output_tokens=200, tools=tools) as stream:
        answer = next(event for event in stream if event.type == "response.completed").response

    assert answer.output_text == "Look."
    call = next(item for item in answer.output if item.type == "function_call")
    assert (call.name, json.loads(call.arguments)) == ("weather", {"city": "Oslo"})
    assert getattr(call, "namespace", None) == (None if model == GPT else "mcp__sky")


def test_what_the_provider_understands_goes_on_byte_for_byte(begin: Begin, faults: Faults) -> None:
    run = begin()
    raw = (
        b'{"model":"gpt-5.2", "input" : [ {"role":"user","content":"\\u00e9 \xc3\xa9 1e5"} ],\n'
        b' "tools":[{"type":"namespace","name":"mcp__sky","x":1.50,"tools":[{"type":"function","name":"w"}]}],'
        b' "max_output_tokens": 77}'
    )

    answer = httpx.post(
        f"{run.site}/v1/responses", content=raw, headers=run.headers, timeout=60, verify=trusted()
    )

    assert answer.status_code == 200, answer.text
    came = httpx.post(f"{faults.url}/_bodies", json={}, timeout=60, verify=trusted()).json()["bodies"][-1][
        "body"
    ]
    assert came.encode() == raw.replace(
        b"{", b'{"service_tier":"default",', 1
    )  # else the account's own, at any price


def test_room_is_clamped_to_what_the_model_can_write(begin: Begin, faults: Faults) -> None:
    run = begin(cap_microusd=100_000_000)

    run.post(
        "/v1/chat/completions", model="gpt-5-mini", messages=[], max_tokens=9_000_000, max_completion_tokens=5
    )

    sent = faults.bodies()[-1]["body"]
    assert (sent["max_completion_tokens"], "max_tokens" in sent) == (64_000, False)


@pytest.mark.parametrize("said", [{"max_completion_tokens": 50}, {"max_tokens": 50}, {}])
def test_a_provider_is_told_the_room_in_its_own_word(
    begin: Begin, faults: Faults, settings: Any, said: dict[str, int]
) -> None:
    settings.MODEL_KEYS = {"mistral": "some-key-of-mistral"}
    run = begin(max_tokens=50)

    answer = run.post("/v1/chat/completions", model="codestral-2508", messages=[], **said)

    assert answer.status_code == 200, answer.text
    sent = faults.bodies()[-1]["body"]
    assert sent == {"model": "codestral-2508", "messages": [], "max_tokens": 50}


def test_an_engine_that_never_says_its_room_gets_the_runs_own(begin: Begin, faults: Faults) -> None:
    run = begin(max_tokens=123)

    answer = run.post("/v1/responses", model=GPT, input="Hi")

    assert answer.status_code == 200, answer.text
    assert faults.bodies()[-1]["body"]["max_output_tokens"] == 123


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (
            "/v1/responses",
            {"input": "Hi", "tools": [{"type": "custom", "name": "apply_patch"}], "max_output_tokens": 9},
        ),
        ("/v1/chat/completions", {"messages": [], "logprobs": True, "max_tokens": 9}),
        ("/v1/embeddings", {"input": "Hi"}),
    ],
)
def test_what_cannot_be_said_in_the_other_protocol_is_refused(
    begin: Begin, faults: Faults, path: str, body: dict[str, Any]
) -> None:
    answer = begin().post(path, model=CLAUDE, **body)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "NOT_TRANSLATABLE")
    assert faults.calls() == []


def test_tokens_are_counted_without_cost_but_under_a_hold(begin: Begin, faults: Faults) -> None:
    client = anthropic_of(begin())

    count = client.messages.count_tokens(model=CLAUDE, messages=[{"role": "user", "content": "Hi"}])

    assert count.input_tokens > 0
    call = Call.objects.get()
    assert (call.status, call.bound_microusd, call.cost_microusd) == ("answered", 1, 0)


def test_models_are_listed_in_both_sdks(begin: Begin) -> None:
    run = begin(models=(GPT, CLAUDE))

    assert {model.id for model in openai_of(run).models.list()} == {GPT, CLAUDE}
    assert {model.id for model in anthropic_of(run).models.list()} == {GPT, CLAUDE}
    assert openai_of(run).models.retrieve(GPT).owned_by == "openai"
