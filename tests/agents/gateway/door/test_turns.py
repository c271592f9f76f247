"""Whom the door asks next: past a tier whose day is spent and past who is switched off, as inside the house."""

import asyncio
from typing import Any

import pytest

from agents.gateway import models
from agents.gateway.door.body import read_body
from agents.gateway.door.exchange import Exchange
from agents.gateway.door.protocols import CHAT as CHAT_DOOR
from agents.gateway.door.protocols import read_wanted
from agents.gateway.errors import Stopped
from agents.gateway.models import Call, ModelEntry, Price
from agents.gateway.rules import patience
from billing.models import Hold
from billing.services import open_scope, set_limit, set_switch
from tests.agents.gateway.door.conftest import Begin
from tests.builders import an_agent
from tests.faults.client import Faults
from tests.faults.play import Play

HELLO = [{"role": "user", "content": "Write about monitoring."}]
CHAT = {"model": "auto", "messages": HELLO, "max_completion_tokens": 500}
MAY = ("gpt-5.2", "gpt-5-mini", "gpt-5-nano", "claude-opus-4-6", "claude-sonnet-4-5", "claude-haiku-4-5")


def spend(*tiers: str) -> None:
    """Leave nothing of the day of these tiers."""
    for tier in tiers:
        scope = open_scope(kind="tier", ref=tier, label=f"{tier.capitalize()} models")
        set_limit(scope, period="day", cap_microusd=0)


def switch_off(kind: str, ref: str) -> None:
    """Let nobody ask it."""
    set_switch(kind, ref, by="owner", reason="enough")


@pytest.mark.parametrize(
    ("spent", "served"),
    [
        (["mid"], "claude-sonnet-4-5"),
        (["mid", "premium"], "gpt-5-nano"),
    ],
)
def test_a_spent_tier_is_passed_over_however_many_models_it_has(
    begin: Begin, faults: Faults, spent: list[str], served: str
) -> None:
    run = begin(agent=an_agent(front={"quality": "good"}), models=MAY)
    spend(*spent)

    answer = run.post("/v1/chat/completions", **CHAT)

    assert (answer.status_code, Call.objects.get().model.name) == (200, served)


def test_no_dearer_tier_stands_in_for_those_that_are_spent(begin: Begin, faults: Faults) -> None:
    run = begin(agent=an_agent(front={"quality": "good"}), models=MAY)
    spend("budget", "mid", "premium")

    answer = run.post("/v1/chat/completions", **CHAT)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "TIER_SPENT")
    assert (Call.objects.count(), Hold.objects.count(), faults.calls()) == (0, 0, [])


@pytest.mark.parametrize("more", [{}, {"temperature": 0}, {"stream": True}])
def test_who_is_switched_off_is_passed_over(begin: Begin, faults: Faults, more: dict[str, Any]) -> None:
    run = begin(agent=an_agent(front={"quality": "good"}), models=MAY)
    switch_off("provider", "openai")

    answer = run.post("/v1/chat/completions", **CHAT, **more)

    assert answer.status_code == 200
    assert Call.objects.get().model.name == "claude-haiku-4-5"


def test_what_is_switched_off_above_all_models_is_refused_at_once(begin: Begin, faults: Faults) -> None:
    run = begin(models=MAY)
    switch_off("agent", "Rex")

    answer = run.post("/v1/chat/completions", **CHAT)

    assert answer.json()["error"]["code"] == "SWITCH_SET"
    assert not Call.objects.exists()


def a_twin_of(name: str, *, provider: str) -> None:
    """Let another provider serve a model of the same name, for more money."""
    known = ModelEntry.objects.get(provider="openai", name=name)
    price = Price.objects.filter(model=known).order_by("valid_from").last()
    assert price is not None
    models.Provider.objects.create(
        name=provider,
        protocol="openai",
        base_url=models.Provider.objects.get(name="openai").base_url,
        needs_key=False,
    )
    entry = ModelEntry.objects.create(
        provider_id=provider, name=name, tier=known.tier, window_tokens=known.window_tokens,
        max_output_tokens=known.max_output_tokens, capabilities=known.capabilities,
    )  # fmt: skip
    Price.objects.create(
        model=entry, valid_from=price.valid_from, input_microusd=2 * price.input_microusd,
        output_microusd=2 * price.output_microusd, cached_microusd=price.cached_microusd,
        cache_write_microusd=2 * price.cache_write_microusd,
    )  # fmt: skip


def test_a_name_that_two_providers_have_is_served_by_the_one_that_is_on(begin: Begin, faults: Faults) -> None:
    a_twin_of("gpt-5-mini", provider="twin")
    run, named = begin(), {**CHAT, "model": "gpt-5-mini"}

    cheaper = run.post("/v1/chat/completions", **named)
    switch_off("provider", "openai")
    other = run.post("/v1/chat/completions", **named)
    switch_off("provider", "twin")
    nobody = run.post("/v1/chat/completions", **named)

    assert [answer.status_code for answer in (cheaper, other, nobody)] == [200, 200, 400]
    assert [call.model.provider_id for call in Call.objects.order_by("started_at")] == ["openai", "twin"]
    assert nobody.json()["error"]["code"] == "SWITCH_SET"


def test_a_name_that_two_providers_have_is_served_by_the_one_that_can_be_asked_this(
    begin: Begin, faults: Faults
) -> None:
    a_twin_of("gpt-5-mini", provider="twin")
    models.Provider.objects.filter(name="twin").update(protocol="anthropic")

    answer = begin().post("/v1/chat/completions", **{**CHAT, "model": "gpt-5-mini", "n": 2})

    assert answer.status_code == 200
    assert Call.objects.get().model.provider_id == "openai"


def test_who_is_switched_off_during_the_pause_after_a_failure_is_not_asked_again(
    begin: Begin, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults.plan(Play(status=500))
    run = begin(agent=an_agent(front={"quality": "good"}), models=MAY)
    pause = Exchange._nap

    async def switch_off_meanwhile(exchange: Exchange, seconds: float) -> None:
        if seconds:
            await asyncio.to_thread(switch_off, "provider", "openai")
        await pause(exchange, seconds)

    monkeypatch.setattr(Exchange, "_nap", switch_off_meanwhile)

    answer = run.post("/v1/chat/completions", **CHAT)

    assert answer.status_code == 200
    first, second = Call.objects.order_by("started_at")
    assert [first.model.name, second.model.name] == ["gpt-5-mini", "claude-haiku-4-5"]
    assert second.fallback_from == first


def test_who_hangs_up_before_the_call_left_leaves_no_hold_behind(begin: Begin, faults: Faults) -> None:
    run = begin()
    body = b'{"model": "gpt-5-mini", "max_completion_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]}'

    async def ask_and_go() -> None:
        exchange = Exchange(read_wanted(CHAT_DOOR, read_body(body)), secret=run.token, headers={})
        exchange.cut(Stopped(why="nobody listens any more"))
        with pytest.raises(Stopped):
            async for _ in exchange.parts():
                pass

    asyncio.run(ask_and_go())

    assert set(Call.objects.values_list("status", "cost_microusd")) <= {("failed", 0)}
    assert not Hold.objects.open().exists()
    assert faults.calls() == []


@pytest.mark.parametrize(("room", "asked"), [(9, ["gpt-5-mini", "claude-haiku-4-5"]), (500, ["gpt-5-mini"])])
def test_an_answer_in_one_piece_has_the_time_that_its_length_needs(
    begin: Begin, faults: Faults, monkeypatch: pytest.MonkeyPatch, room: int, asked: list[str]
) -> None:
    monkeypatch.setattr(patience, "BASE_S", 0.1)
    faults.plan(Play(delay_s=1.5, where={"model": "gpt-5-mini"}))
    run = begin(agent=an_agent(front={"quality": "good"}), models=("gpt-5-mini", "claude-haiku-4-5"))
    tools = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]

    answer = run.post("/v1/chat/completions", **{**CHAT, "max_completion_tokens": room}, tools=tools)

    assert answer.status_code == 200
    assert [call.model.name for call in Call.objects.order_by("started_at")] == asked
