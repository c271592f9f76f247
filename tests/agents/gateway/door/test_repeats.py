"""The very same request is answered again for nothing, inside one product, for a day."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.utils import timezone

from agents.gateway import jobs
from agents.gateway.models import Call, KeptAnswer
from agents.gateway.services.health import read_health
from billing.models import Entry, Hold
from billing.services import set_switch
from tests.agents.gateway.door.conftest import Begin, Run
from tests.builders import a_scope, an_agent, an_assignment
from tests.faults.client import Faults
from tests.faults.play import Play

CHAT = {
    "model": "gpt-5-mini", "messages": [{"role": "user", "content": "Hi"}], "max_completion_tokens": 100, "temperature": 0,
}  # fmt: skip
MESSAGES = {
    "model": "claude-haiku-4-5", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 100, "temperature": 0,
}  # fmt: skip
EMBED = {"model": "text-embedding-3-small", "input": "Hi"}


def test_the_same_request_is_paid_once_and_answered_alike(begin: Begin, faults: Faults) -> None:
    run = begin()
    first = run.post("/v1/chat/completions", **CHAT)

    second = run.post("/v1/chat/completions", **CHAT)

    assert (first.status_code, second.content) == (200, first.content)
    assert len(faults.calls()) == 1
    paid, again = Call.objects.order_by("started_at")
    assert (again.cost_microusd, again.status, again.repeats_id) == (0, "answered", paid.pk)
    assert (again.prompt_tokens, again.completion_tokens, again.served_model) == (0, 0, paid.served_model)
    assert Entry.objects.total_microusd() == paid.cost_microusd
    assert paid.cost_microusd
    assert not Hold.objects.open().exists()


@pytest.mark.parametrize(
    ("path", "body"),
    [("/v1/messages", MESSAGES), ("/v1/messages", {**MESSAGES, "stream": True}), ("/v1/chat/completions", {**CHAT, "stream": True}), ("/v1/embeddings", EMBED)],
    ids=["messages", "messages streamed", "chat streamed", "embeddings"],
)  # fmt: skip
def test_every_protocol_whole_or_streamed(
    begin: Begin, faults: Faults, path: str, body: dict[str, Any]
) -> None:
    run = begin()

    told = [run.post(path, **body) for _ in range(2)]

    assert (told[0].status_code, told[1].content) == (200, told[0].content)
    assert told[1].headers["content-type"] == told[0].headers["content-type"]
    assert len(faults.calls()) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": None}, {"temperature": 0.3}, {"n": 2}, {"temperature": False},
        {"tools": [{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}]},
    ],
)  # fmt: skip
def test_what_may_differ_from_time_to_time_is_asked_again(
    begin: Begin, faults: Faults, change: dict[str, Any]
) -> None:
    run = begin()

    for _ in range(2):
        run.post("/v1/chat/completions", **{**CHAT, **change})

    assert len(faults.calls()) == 2
    assert not KeptAnswer.objects.exists()


def test_another_word_is_another_request(begin: Begin, faults: Faults) -> None:
    run = begin()
    run.post("/v1/chat/completions", **CHAT)

    for change in ({"seed": 1}, {"max_completion_tokens": 99}, {"model": "gpt-5.2"}, {"stream": True}):
        run.post("/v1/chat/completions", **{**CHAT, **change})

    assert len(faults.calls()) == 5


def of_product(begin: Begin, name: str) -> Run:
    """Begin a run that a product of this name pays for."""
    agent = an_agent(f"Rex{name}")
    product = a_scope(kind="product", ref=name)
    return begin(agent=agent, assignment=an_assignment(agent, scopes=(agent.scope_id, product.pk)))


def test_another_run_of_the_same_product_shares_it_and_another_product_never_does(
    begin: Begin, faults: Faults
) -> None:
    one, other = of_product(begin, "one"), of_product(begin, "other")
    later = begin(agent=one.agent, assignment=an_assignment(one.agent, scopes=one.assignment.scopes))
    one.post("/v1/chat/completions", **CHAT)

    later.post("/v1/chat/completions", **CHAT)
    shared = len(faults.calls())
    other.post("/v1/chat/completions", **CHAT)

    assert (shared, len(faults.calls())) == (1, 2)


def test_after_a_day_or_on_demand_it_is_asked_anew(begin: Begin, faults: Faults) -> None:
    run = begin()
    run.post("/v1/chat/completions", **CHAT)
    fresh = {**run.headers, "cache-control": "max-age=0, no-cache"}

    httpx.post(f"{run.site}/v1/chat/completions", json=CHAT, headers=fresh, timeout=60)
    KeptAnswer.objects.update(until=timezone.now() - timedelta(seconds=1))
    run.post("/v1/chat/completions", **CHAT)
    KeptAnswer.objects.update(until=timezone.now() - timedelta(seconds=1))
    jobs.forget_answers()

    assert len(faults.calls()) == 3
    assert not KeptAnswer.objects.exists()


def test_what_is_off_is_not_answered_from_memory_either(begin: Begin, faults: Faults) -> None:
    run = begin()
    run.post("/v1/chat/completions", **CHAT)
    set_switch("provider", "openai", by="owner", reason="enough")

    refused = run.post("/v1/chat/completions", **CHAT)

    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "SWITCH_SET")
    assert Call.objects.count() == 1


@pytest.mark.parametrize(
    "play", [Play(stop="length"), Play(tells="nothing"), Play(fault="cut")], ids=["length", "bill", "cut"]
)
def test_an_answer_that_was_cut_or_has_no_bill_is_not_kept(begin: Begin, faults: Faults, play: Play) -> None:
    faults.plan(play)
    run = begin()

    run.post("/v1/chat/completions", **{**CHAT, "stream": True})

    assert not KeptAnswer.objects.exists()


def test_an_answer_from_memory_says_nothing_of_how_its_provider_is(begin: Begin, faults: Faults) -> None:
    run = begin()
    run.post("/v1/chat/completions", **CHAT)
    Call.objects.update(fault="rate_limited", retry_after_s=60)

    run.post("/v1/chat/completions", **CHAT)

    assert Call.objects.count() == 2
    assert read_health().down == {"openai/gpt-5-mini": "asked to wait"}
