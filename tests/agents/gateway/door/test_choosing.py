"""A request that names no model is served by the one the router chooses, inside the rights of its run."""

from typing import Any

import pytest

from agents.gateway.models import Call
from billing.models import Window
from billing.services import set_limit
from tests.agents.gateway.door.conftest import Begin
from tests.builders import an_agent
from tests.faults.client import Faults
from tests.faults.play import Play

HELLO = [{"role": "user", "content": "Write about monitoring."}]
CHAT = {"model": "auto", "messages": HELLO, "max_completion_tokens": 500}
MAY = ("gpt-5.2", "gpt-5-mini", "gpt-5-nano", "claude-opus-4-6", "claude-sonnet-4-5", "claude-haiku-4-5")


@pytest.mark.parametrize(
    ("quality", "body", "served"),
    [
        ("good", {}, "gpt-5-mini"),
        ("good", {"max_completion_tokens": 20}, "gpt-5-nano"),
        ("good", {"max_completion_tokens": 20, "tools": [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]}, "gpt-5-mini"),
        ("acceptable", {}, "gpt-5-nano"),
        ("best", {"max_completion_tokens": 20}, "gpt-5.2"),
        ("acceptable", {"model": "auto/best"}, "gpt-5.2"),
        ("best", {"model": "auto/acceptable"}, "gpt-5-nano"),
    ],
)  # fmt: skip
def test_the_name_says_it_or_the_agents_file_or_the_prompt(
    begin: Begin, faults: Faults, quality: str, body: dict[str, Any], served: str
) -> None:
    run = begin(agent=an_agent(front={"quality": quality}), models=MAY)

    answer = run.post("/v1/chat/completions", **{**CHAT, **body})

    assert (answer.status_code, answer.json()["model"]) == (200, served)
    assert Call.objects.get().reason.startswith("auto: ")


def test_another_one_serves_when_the_first_fails(begin: Begin, faults: Faults) -> None:
    faults.plan(Play(status=429))
    run = begin(models=MAY)

    answer = run.post("/v1/chat/completions", **CHAT)

    assert answer.status_code == 200
    assert [call.status for call in Call.objects.order_by("started_at")] == ["failed", "answered"]


def test_claude_code_may_leave_it_open_too_and_hears_its_own_protocol(begin: Begin, faults: Faults) -> None:
    run = begin(models=("gpt-5-mini",))

    answer = run.post("/v1/messages", model="auto", messages=HELLO, max_tokens=500)

    assert (answer.status_code, answer.json()["type"], answer.json()["content"][0]["text"]) == (
        200,
        "message",
        "Hello.",
    )
    assert Call.objects.get().model.name == "gpt-5-mini"


def test_who_costs_more_than_one_call_may_is_passed_over(begin: Begin, faults: Faults) -> None:
    run = begin(agent=an_agent(front={"quality": "best"}), models=MAY)
    set_limit(run.agent.scope, period="call", cap_microusd=2_000)

    answer = run.post("/v1/chat/completions", **CHAT)
    set_limit(run.agent.scope, period="call", cap_microusd=1)
    refused = run.post("/v1/chat/completions", **CHAT)

    assert (answer.status_code, answer.json()["model"]) == (200, "gpt-5-mini")
    assert (refused.status_code, refused.json()["error"]["facts"]["layer"]) == (400, "one call")
    assert Call.objects.count() == 1


def test_nobody_is_chosen_whom_the_run_may_not_ask(begin: Begin, faults: Faults) -> None:
    run = begin(models=("no-such-model",))

    answer = run.post("/v1/chat/completions", **CHAT)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "NO_CAPABLE_MODEL")
    assert not Call.objects.exists()


def test_when_most_of_the_agents_day_is_spent_a_lower_tier_is_chosen(begin: Begin, faults: Faults) -> None:
    run = begin(models=MAY)
    run.post("/v1/chat/completions", **CHAT)
    day = Window.objects.get(scope=run.agent.scope, period="day")
    Window.objects.filter(pk=day.pk).update(spent_microusd=day.cap_microusd * 85 // 100)

    answer = run.post("/v1/chat/completions", **CHAT)

    assert answer.json()["model"] == "gpt-5-nano"


def test_embeddings_name_their_model(begin: Begin, faults: Faults) -> None:
    answer = begin().post("/v1/embeddings", model="auto", input="Hi")

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "MODEL_UNKNOWN")
