"""Whatever stands in a request, the door answers in its protocol's words: what makes no sense is named, nothing breaks."""

from copy import deepcopy
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.gateway.door import exchange
from agents.gateway.door.protocols import DOORS, Protocol
from core.adapters.tls import trusted
from core.models import AuditRow
from tests.agents.gateway.door.conftest import DOLLAR, Begin, Run
from tests.builders import an_agent
from tests.faults.client import Faults

HELLO = [{"role": "user", "content": "Hello"}]
SOUND: dict[str, dict[str, Any]] = {
    "chat": {"model": "gpt-5-mini", "messages": HELLO, "max_completion_tokens": 9},
    "responses": {"model": "gpt-5-mini", "input": "Hello", "max_output_tokens": 16},
    "messages": {"model": "claude-haiku-4-5", "messages": HELLO, "max_tokens": 9},
    "count_tokens": {"model": "claude-haiku-4-5", "messages": HELLO},
    "embeddings": {"model": "text-embedding-3-small", "input": "Hello"},
}
SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}}
CALL = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
RICH: dict[str, dict[str, Any]] = {
    "chat": {
        **SOUND["chat"],
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
            {"role": "assistant", "content": None, "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "c1", "content": "done"},
        ],
        "tools": [{"type": "function", "function": {"name": "look", "description": "d", "parameters": SCHEMA}}],
        "tool_choice": {"type": "function", "function": {"name": "look"}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA}},
        "stop": ["x"], "stream": True, "stream_options": {"include_usage": True}, "modalities": ["text"],
    },
    "responses": {
        **SOUND["responses"],
        "input": [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
            {"type": "function_call", "call_id": "c1", "name": "look", "namespace": "s", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "done"},
        ],
        "instructions": "Be brief.",
        "tools": [{"type": "namespace", "name": "s", "tools": [{"type": "function", "name": "look", "parameters": SCHEMA}]}],
        "text": {"format": {"type": "json_schema", "name": "a", "schema": SCHEMA}},
        "stream": True, "reasoning": {"effort": "low"},
    },
    "messages": {
        **SOUND["messages"],
        "system": [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "c1", "name": "look", "input": {"type": "a"}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "b"}]}]},
        ],
        "tools": [{"name": "look", "description": "d", "input_schema": SCHEMA}],
        "tool_choice": {"type": "tool", "name": "look"},
        "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}},
        "thinking": {"type": "enabled", "budget_tokens": 5}, "stop_sequences": ["x"], "stream": True,
    },
    "count_tokens": {**SOUND["count_tokens"], "tools": [{"name": "look", "input_schema": SCHEMA}]},
    "embeddings": {**SOUND["embeddings"], "input": ["Hello", "there"]},
}  # fmt: skip
WORDS = st.sampled_from(
    ["", "a", "text", "auto", "user", "function", "tool_use", "image", "json_schema", "é"]
)
NAMES = st.sampled_from(
    ["type", "role", "content", "name", "function", "tools", "format", "schema", "source", "input", "output", "ttl", "id"]
)  # fmt: skip
PLAIN = st.none() | st.booleans() | st.integers(-1, 9) | st.just(0.5) | WORDS
ODD = st.recursive(
    PLAIN,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
MANY = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # fmt: skip
MODELS = ("gpt-5-mini", "claude-haiku-4-5", "auto", "text-embedding-3-small")
UNTRUE = {"STOPPED", "DOOR_BROKE", "BOOKS_UNREACHABLE", "ALL_PROVIDERS_DOWN"}


def heard(answer: httpx.Response) -> str:
    """Return the code of a refusal; of an answer, nothing."""
    if answer.status_code == 200:
        return ""
    assert answer.status_code == 400, answer.text
    return str(answer.json()["error"]["code"])


@pytest.fixture(params=DOORS, ids=lambda door: door.name)
def door(request: pytest.FixtureRequest) -> Protocol:
    """Return one paid door after the other."""
    found: Protocol = request.param
    return found


@pytest.fixture
def run(begin: Begin) -> Run:
    """Return a run that may ask often."""
    agent = an_agent(front={"limits": {"requests_per_min": 10_000}})
    return begin(agent=agent, cap_microusd=100 * DOLLAR)


@MANY
@given(data=st.data())
def test_no_field_of_any_door_can_break_it(
    run: Run, faults: Faults, door: Protocol, data: st.DataObject
) -> None:
    names = st.sampled_from(sorted(door.fields - {"model"}))
    fields = data.draw(st.dictionaries(names, ODD, min_size=1, max_size=2))
    model = data.draw(st.sampled_from(MODELS))

    answer = run.post(door.path, **{**SOUND[door.name], "model": model, **fields})

    assert heard(answer) not in UNTRUE, answer.text


def places(value: Any) -> list[tuple[Any, Any]]:
    """Return every place inside `value`: what holds it, and its name or number there."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for name, one in inside for place in [(value, name), *places(one)]]


@MANY
@given(data=st.data())
def test_no_value_deep_in_a_request_can_break_a_door(
    run: Run, faults: Faults, door: Protocol, data: st.DataObject
) -> None:
    body = deepcopy(RICH[door.name])
    holder, name = data.draw(st.sampled_from(places(body)))
    holder[name] = data.draw(ODD)
    body["model"] = data.draw(st.sampled_from(MODELS))

    answer = run.post(door.path, **body)

    assert heard(answer) not in UNTRUE, answer.text


DEEP: Any = "x"
for _ in range(150):
    DEEP = [DEEP]
NAMED: list[tuple[str, dict[str, Any], str]] = [
    ("chat", {"stream_options": 5}, "stream_options"), ("chat", {"stream": "yes"}, "stream"), ("chat", {"messages": "Hi"}, "messages"),
    ("chat", {"tools": [7]}, "tools"), ("chat", {"messages": [{"role": "user", "content": [{"type": ["a"]}]}]}, "type"),
    ("chat", {"metadata": DEEP}, "metadata"), ("chat", {"logit_bias": {"a": DEEP}}, "logit_bias"), ("messages", {"thinking": "a"}, "thinking"),
    ("messages", {"output_config": []}, "output_config"), ("messages", {"tools": [{"type": {}}]}, "type"), ("responses", {"text": "a"}, "text"),
    ("responses", {"input": 5}, "input"), ("count_tokens", {"system": 5}, "system"),
]  # fmt: skip


def test_a_shape_that_makes_no_sense_is_named(run: Run, faults: Faults) -> None:
    paths = {str(door.name): door.path for door in DOORS}

    for name, wrong, at in NAMED:
        answer = run.post(paths[name], **{**SOUND[name], **wrong})
        assert heard(answer) == "BAD_ASK", wrong
        assert answer.json()["error"]["facts"]["at"] == at

    assert faults.calls() == []
    assert AuditRow.objects.filter(verb="gateway.refuse_call").count() == len(NAMED)


def test_what_a_tool_was_given_may_hold_anything(run: Run, faults: Faults) -> None:
    use = {"type": "tool_use", "id": "c1", "name": "look", "input": {"type": ["a", {"type": {}}]}}
    said = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": [use]}]

    answer = run.post("/v1/messages", **{**SOUND["messages"], "messages": said})

    assert answer.status_code == 200


def test_what_breaks_in_here_says_so_and_is_in_the_log(
    run: Run, faults: Faults, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def breaks(*_: Any) -> None:
        raise RuntimeError("nobody foresaw this")

    monkeypatch.setattr(exchange, "begin", breaks)

    answer = run.post("/v1/messages", **SOUND["messages"])

    assert (answer.status_code, answer.headers["x-should-retry"]) == (500, "false")
    assert (answer.json()["error"]["code"], answer.json()["error"]["type"]) == ("DOOR_BROKE", "api_error")
    assert AuditRow.objects.get(verb="gateway.refuse_call").facts["code"] == "DOOR_BROKE"
    assert "nobody foresaw this" in caplog.text


HALVES = {
    "model": '{"model": "\\ud800", "max_tokens": 5, "messages": [{"role": "user", "content": "x"}]}',
    "\ufffd": '{"\\ud800": 1, "model": "gpt-5-mini", "max_tokens": 5, "messages": []}',
    "messages": '{"model": "gpt-5-mini", "temperature": 0, "max_tokens": 5, "messages": [{"role": "user", "content": "a\\uDFFFb"}]}',
    "metadata": '{"model": "gpt-5-mini", "max_tokens": 5, "messages": [], "metadata": {"\\udc00": "x"}}',
}  # fmt: skip


def ask_in_bytes(run: Run, path: str, body: str) -> httpx.Response:
    """Ask with these very bytes."""
    return httpx.post(
        run.site + path, content=body.encode(), headers=run.headers, timeout=60, verify=trusted()
    )


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
@pytest.mark.parametrize("at", HALVES)
def test_half_of_a_sign_is_named_and_refused_as_providers_do(
    run: Run, faults: Faults, at: str, path: str
) -> None:
    answer = ask_in_bytes(run, path, HALVES[at])

    assert heard(answer) == "BAD_ASK"
    assert answer.headers["x-should-retry"] == "false"
    assert answer.json()["error"]["facts"]["at"] == at
    assert AuditRow.objects.get(verb="gateway.refuse_call").facts["code"] == "BAD_ASK"
    assert faults.calls() == []


def test_both_halves_of_a_sign_and_what_only_looks_like_one_go_on_as_they_came(
    run: Run, faults: Faults
) -> None:
    body = '{"model": "gpt-5-mini", "max_completion_tokens": 9, "messages": [{"role": "user", "content": "\\ud83d\\ude00 \\\\ud800"}]}'

    answer = ask_in_bytes(run, "/v1/chat/completions", body)

    assert answer.status_code == 200
    assert faults.bodies()[0]["body"]["messages"][0]["content"] == "\U0001f600 \\ud800"


def test_what_no_database_takes_is_refused_with_a_row_of_it_all_the_same(run: Run, faults: Faults) -> None:
    answer = run.post("/v1/chat/completions", **{**SOUND["chat"], "model": "a\0b"})

    assert heard(answer) == "MODEL_UNKNOWN"
    assert AuditRow.objects.get(verb="gateway.refuse_call").subject == "chat a\ufffdb"
