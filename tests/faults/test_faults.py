"""The fault server itself: what it plays, and what it counts."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from core.adapters.tls import trusted
from tests.faults.client import Faults, faulty_provider
from tests.faults.play import Play

CHAT = {
    "model": "gpt-5.2",
    "messages": [{"role": "user", "content": "call:abc-1 Say hello."}],
    "max_completion_tokens": 50,
}
MESSAGES = {
    "model": "claude-sonnet-4-5",
    "messages": [{"role": "user", "content": "Say hello."}],
    "max_tokens": 50,
}


@pytest.fixture(scope="module")
def server() -> Iterator[Faults]:
    """Return one server for this file."""
    with faulty_provider() as running:
        yield running


@pytest.fixture
def faults(server: Faults) -> Faults:
    """Return it as if it were new."""
    server.reset()
    return server


def post(faults: Faults, path: str, body: dict[str, Any], **more: Any) -> httpx.Response:
    """Send one request with a key."""
    headers = {"x-api-key": "sk-test-1234", "authorization": "Bearer sk-test-1234"}
    return httpx.post(
        f"{faults.url}{path}", json=body, headers=headers, **{"timeout": 5, **more}, verify=trusted()
    )


def test_an_honest_answer_is_billed_as_told(faults: Faults) -> None:
    faults.price({"gpt-5.2": {"input": 2_000_000, "output": 10_000_000}})

    usage = post(faults, "/v1/chat/completions", CHAT).json()["usage"]

    [call] = faults.calls()
    assert (call["tag"], call["key"], call["model"]) == ("abc-1", "1234", "gpt-5.2")
    assert call["billed_microusd"] == usage["prompt_tokens"] * 2 + usage["completion_tokens"] * 10
    assert faults.billed_microusd == call["billed_microusd"]


def test_plays_are_used_up_in_order_and_then_the_standing_one(faults: Faults) -> None:
    faults.plan(Play(status=429, retry_after="7"), Play(status=529, where={"model": "claude"}, times=2))
    faults.always(Play(status=401))

    statuses = [post(faults, "/v1/chat/completions", CHAT).status_code for _ in range(2)]
    others = [post(faults, "/v1/messages", MESSAGES).status_code for _ in range(3)]

    assert (statuses, others) == ([429, 401], [529, 529, 401])
    assert faults.billed_microusd == 0


@pytest.mark.parametrize("fault", ["stall", "reset", "slam", "silence"])
@pytest.mark.parametrize("way", [{"stream": True}, {}], ids=["stream", "whole"])
def test_a_broken_answer_breaks(faults: Faults, fault: str, way: dict[str, Any]) -> None:
    faults.plan(Play(fault=fault))

    with pytest.raises(httpx.TransportError):
        post(faults, "/v1/messages", {**MESSAGES, **way}, timeout=0.5)


@pytest.mark.parametrize("fault", ["cut", "malformed", "html", "error_event"])
def test_a_spoiled_stream_ends_without_its_last_word(faults: Faults, fault: str) -> None:
    faults.plan(Play(fault=fault))

    assert "message_stop" not in post(faults, "/v1/messages", {**MESSAGES, "stream": True}).text


def test_what_it_tells_may_differ_from_what_it_bills(faults: Faults) -> None:
    faults.plan(
        Play(usage={"prompt": 1_000, "completion": 10}, tells={"prompt": 1}),
        Play(tells="nothing"),
        Play(served="gpt-6"),
    )

    told = [post(faults, "/v1/chat/completions", CHAT).json() for _ in range(3)]

    first, second, third = faults.calls()
    assert (told[0]["usage"]["prompt_tokens"], first["tokens"]["prompt"]) == (1, 1_000)
    assert ("usage" in told[1], second["billed_microusd"] > 0) == (False, True)
    assert (told[2]["model"], third["served"]) == ("gpt-6", "gpt-6")


def test_models_and_counts_are_told_in_each_protocol_and_a_strange_key_is_refused(faults: Faults) -> None:
    faults.admit("sk-test-1234")
    faults.offer("claude-haiku-4-5")

    counted = post(faults, "/v1/messages/count_tokens", MESSAGES).json()["input_tokens"]
    billed = post(faults, "/v1/messages", MESSAGES).json()["usage"]["input_tokens"]
    mine = httpx.get(
        f"{faults.url}/v1/models",
        headers={"x-api-key": "sk-test-1234", "anthropic-version": "2023-06-01"},
        verify=trusted(),
    )
    strange = httpx.get(f"{faults.url}/v1/models", headers={"authorization": "Bearer no"}, verify=trusted())

    assert counted == billed
    assert mine.json()["data"][0] == mine.json()["data"][0] | {"id": "claude-haiku-4-5", "type": "model"}
    assert strange.status_code == 401
