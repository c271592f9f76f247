"""What engines ask goes on as it came, and what it costs is booked."""

import json
from typing import Any

import pytest

from agents.gateway.models import Call, Price
from billing.models import Hold, Window
from tests.agents.gateway.door.conftest import Begin
from tests.faults.client import Faults
from tests.faults.play import Play

HELLO = [{"role": "user", "content": "Hello"}]


def test_a_chat_is_passed_on_and_booked(begin: Begin, faults: Faults) -> None:
    run = begin()

    answer = run.post("/v1/chat/completions", model="gpt-5.2", messages=HELLO, max_completion_tokens=50)

    assert answer.status_code == 200, answer.text
    assert answer.json()["choices"][0]["message"]["content"] == "Hello."
    call = Call.objects.get()
    assert (call.status, call.agent, call.assignment_id) == ("answered", "Rex", run.assignment.id)
    assert call.cost_microusd is not None
    assert 0 < call.cost_microusd <= call.bound_microusd
    assert Hold.objects.get().state == Hold.State.CAPTURED


def test_a_stream_of_chat_comes_piece_by_piece(begin: Begin, faults: Faults) -> None:
    run = begin()

    answer = run.post(
        "/v1/chat/completions", model="gpt-5.2", messages=HELLO, max_completion_tokens=50, stream=True
    )

    assert answer.status_code == 200, answer.text
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
    assert "".join(event["choices"][0]["delta"].get("content") or "" for event in events) == "Hello."
    assert answer.text.rstrip().endswith("data: [DONE]")
    assert Call.objects.get().status == "answered"


CHAT = ("/v1/chat/completions", {"model": "gpt-5.2", "messages": HELLO, "max_completion_tokens": 50})
MESSAGES = ("/v1/messages", {"model": "claude-haiku-4-5", "messages": HELLO, "max_tokens": 50})
RESPONSES = ("/v1/responses", {"model": "gpt-5.2", "input": "Hello", "max_output_tokens": 50})
EMBEDDINGS = ("/v1/embeddings", {"model": "text-embedding-3-small", "input": "Hello"})
ZEROS, NOTHING_WRITTEN = {"prompt": 0, "completion": 0}, {"completion": 0}
STREAM = {"stream": True}


@pytest.mark.parametrize(
    ("door", "more", "tells"),
    [
        (CHAT, {}, ZEROS), (CHAT, STREAM, ZEROS), (CHAT, {}, NOTHING_WRITTEN), (CHAT, STREAM, NOTHING_WRITTEN),
        (MESSAGES, {}, ZEROS), (MESSAGES, STREAM, NOTHING_WRITTEN), (MESSAGES, {}, NOTHING_WRITTEN),
        (RESPONSES, {}, ZEROS), (RESPONSES, STREAM, NOTHING_WRITTEN), (RESPONSES, {}, NOTHING_WRITTEN),
        (EMBEDDINGS, {}, ZEROS),
    ],
)  # fmt: skip
def test_a_bill_of_zeros_for_what_was_read_and_written_is_booked_at_the_bound(
    begin: Begin, faults: Faults, door: tuple[str, Any], more: Any, tells: Any
) -> None:
    faults.plan(Play(text="word " * 40, tells=tells))

    answer = begin().post(door[0], **door[1], **more)

    call = Call.objects.get()
    assert answer.status_code == 200, answer.text
    assert (call.status, call.cost_microusd) == ("lost", call.bound_microusd)
    assert Window.objects.filter(spent_microusd=call.bound_microusd).exists()


@pytest.mark.parametrize("tells", ["nothing", ZEROS], ids=["nothing", "zeros"])
def test_where_nothing_costs_nobody_misses_a_bill(begin: Begin, faults: Faults, tells: Any) -> None:
    free: dict[str, int | None] = {"search_microusd": None}
    free |= {"input_microusd": 0, "output_microusd": 0, "cached_microusd": 0, "cache_write_microusd": 0}
    Price.objects.filter(model__name="gpt-5.2").update(**free)
    faults.plan(Play(tells=tells))

    answer = begin().post(CHAT[0], **CHAT[1])

    assert answer.status_code == 200, answer.text
    assert set(Call.objects.values_list("status", "cost_microusd")) == {("answered", 0)}
