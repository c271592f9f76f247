"""The same adapters against the rehearsal child: nothing but the socket differs."""

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from agents.gateway.adapters.transport import line_to
from agents.gateway.models import Call, Provider
from agents.gateway.ports import Intent
from agents.gateway.services import complete, fill, sync_prices
from billing.models import Entry, Hold
from core.services import found_installation
from tests.builders import an_ask
from tests.drill.victims import below, command_of

SCHEMA = {
    "title": "Review",
    "type": "object",
    "properties": {
        "summary": {"type": "string"},
        "points": {"type": "array", "items": {"type": "object", "properties": {"text": {"type": "string"}, "weight": {"type": "integer"}}}},
    },
    "required": ["summary"],
}  # fmt: skip
GPT, CLAUDE = Intent(quality="best"), Intent(quality="best", not_provider="openai")


@pytest.fixture
def rehearsal(db: None, settings: Any) -> None:
    """Found a rehearsal; keys in the environment play no part."""
    settings.MODEL_KEYS = {}
    found_installation("rehearsal")
    sync_prices()


@pytest.mark.django_db
@pytest.mark.parametrize(("intent", "name"), [(GPT, "openai"), (CLAUDE, "anthropic")])
def test_both_protocols_answer_fill_schemas_and_are_paid(rehearsal: None, intent: Intent, name: str) -> None:
    reply = complete(an_ask(intent=intent), stop=threading.Event())
    answer, _ = fill(an_ask(intent=intent, answer_schema=SCHEMA), stop=threading.Event())

    assert (reply.provider, reply.stop) == (name, "end")
    assert reply.usage is not None
    assert reply.usage.prompt > 0
    assert set(answer) == {"summary", "points"}
    assert Entry.objects.total_microusd() == Call.objects.total_microusd() > 0
    assert not Hold.objects.open().exists()
    assert all((call.cost_microusd or 0) <= call.bound_microusd for call in Call.objects.all())


@pytest.mark.django_db
def test_a_killed_rehearsal_child_is_replaced_at_the_next_call(rehearsal: None) -> None:
    before = complete(an_ask(intent=GPT), stop=threading.Event())
    [killed] = rehearsal_children()
    os.kill(killed, signal.SIGKILL)

    after = complete(an_ask(intent=GPT), stop=threading.Event())

    assert (after.text, after.stop) == (before.text, "end")
    assert killed not in rehearsal_children()


def rehearsal_children() -> set[int]:
    """Return the rehearsal servers that we started."""
    return {pid for pid in below(os.getpid()) if "rehearsal/serve.py" in command_of(pid)}


@pytest.mark.django_db
def test_a_prompt_a_thousand_words_longer_costs_more_by_its_tokens(rehearsal: None) -> None:
    short = complete(an_ask(intent=GPT), stop=threading.Event())
    longer = complete(
        an_ask(text="Think about monitoring. " + "word " * 1_000, intent=GPT), stop=threading.Event()
    )

    assert short.usage
    assert longer.usage
    more = longer.usage.prompt - short.usage.prompt
    written = (longer.usage.completion - short.usage.completion) * 14
    assert 900 <= more <= 1_300
    assert abs(longer.cost_microusd - short.cost_microusd - written - more * 175 / 100) <= 1


@pytest.mark.django_db(transaction=True)
def test_threads_share_one_child_and_every_call_is_paid_once(rehearsal: None) -> None:
    asks = [an_ask(text=f"Think about {n} monitors.", intent=GPT) for n in range(12)]

    def one(number: int) -> int:
        try:
            return complete(asks[number], stop=threading.Event()).cost_microusd
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        costs = list(pool.map(one, range(12)))

    links = {line_to(provider, mode="rehearsal").links for provider in Provider.objects.all()}
    assert len(links) == 1
    assert sum(costs) == Entry.objects.total_microusd()
    assert Call.objects.filter(status="answered").count() == 12
