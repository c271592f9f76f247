"""What engines ask goes on as it came, and what it costs is booked."""

import json

from agents.gateway.models import Call
from billing.models import Hold
from tests.agents.gateway.door.conftest import Begin
from tests.faults.client import Faults

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
