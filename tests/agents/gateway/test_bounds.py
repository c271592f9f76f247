"""The bound of a real request against the provider's own bill: never below it, and close to it."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agents.gateway import models
from agents.gateway.adapters import tokens
from agents.gateway.adapters.transport import hang_up
from agents.gateway.models import Call, ModelEntry
from agents.gateway.ports import Ask, Intent, Patience
from agents.gateway.services import complete, sync_prices
from agents.gateway.services.bounds import bound_of_body
from agents.gateway.services.catalogue import tariffs_on
from billing.models import Overage
from core.registry import Tool, ToolContext, ToolResult
from core.services import business_now, found_installation
from tests.agents.gateway.fake_provider import KEYS
from tests.builders import an_ask
from tests.faults.client import Faults, faulty_provider
from tests.faults.play import Play

pytestmark = pytest.mark.django_db

HASTE = Patience(first_token_s=5, silence_s=5, total_s=10, budget_s=0.3)
PROSE = "The quick brown fox jumps over the lazy dog, and then it thinks about monitoring for a while. "
CODE = "def total(rows: list[int]) -> int:\n    return sum(row for row in rows if row % 2 == 0)\n"
WORDS = {
    "prose": PROSE * 20, "code": CODE * 20, "json": '{"name": "a", "values": [1, 2, 3]}' * 40, "umlauts": "Größe über Straße — 日本語のテキスト " * 20,
    "long": PROSE * 2_000, "one word": "Hi.",
}  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[Faults]:
    """Return one server for this file."""
    with faulty_provider() as running:
        yield running


@pytest.fixture
def faults(server: Faults, db: None, settings: Any, table: Path) -> Iterator[Faults]:
    """Point both providers at it; it bills by our own table."""
    settings.MODEL_KEYS = dict(KEYS)
    found_installation("real")
    sync_prices(table)
    server.reset()
    models.Provider.objects.update(base_url=server.url)
    tariffs = tariffs_on(business_now().date())
    server.price({
        entry.name: {"input": t.input, "output": t.output, "cached": t.cached, "cache_write": t.cache_write, "cache_write_1h": t.hour_write}
        for entry in ModelEntry.objects.all() for t in [tariffs[entry.id]]
    })  # fmt: skip
    yield server
    hang_up()


def ask_now(ask: Ask) -> Any:
    """Complete `ask`."""
    return complete(ask, stop=threading.Event(), patience=HASTE)


def a_tool() -> Tool:
    """Return a tool with a schema."""

    def handler(context: ToolContext, arguments: Any, /) -> ToolResult:
        return ToolResult(f"{context} {arguments}")

    schema = {
        "type": "object",
        "properties": {"path": {"type": "string", "description": "Where the file lies."}},
    }
    return Tool("read", "Reads a file of the workspace.", schema, "read", handler)


@pytest.mark.parametrize(
    "intent",
    [Intent(quality="best"), Intent(quality="best", not_provider="openai")],
    ids=["openai", "anthropic"],
)
@pytest.mark.parametrize("words", WORDS.values(), ids=WORDS.keys())
def test_a_bound_is_no_lower_than_the_bill_and_no_more_than_a_quarter_above_it(
    faults: Faults, intent: Intent, words: str
) -> None:
    faults.always(Play(fills=True))

    ask_now(replace(an_ask(text=words, intent=intent, max_tokens=1_000), tools=(a_tool(),)))

    call, [told] = Call.objects.get(), faults.calls()
    assert call.cost_microusd == told["billed_microusd"]
    assert told["billed_microusd"] <= call.bound_microusd <= told["billed_microusd"] * 125 // 100
    assert not Overage.objects.exists()


def test_a_provider_that_does_not_count_in_time_costs_room_and_nothing_else(faults: Faults) -> None:
    words = PROSE * 500
    faults.plan(Play(status=529, where={"path": "count_tokens"}))
    ask = an_ask(text=words, intent=Intent(quality="best", not_provider="openai"), max_tokens=100)

    ask_now(ask)

    call = Call.objects.get()
    assert call.bound_microusd > 3 * len(words)


def test_the_same_request_is_counted_once(faults: Faults) -> None:
    entry = ModelEntry.objects.select_related("provider").get(name="claude-sonnet-4-5")
    data = {"model": entry.name, "max_tokens": 10, "messages": [{"role": "user", "content": PROSE * 101}]}

    bounds = {bound_of_body(entry, data=data, size_bytes=10_000) for _ in range(3)}

    assert len(bounds) == 1
    assert faults.totals()["counted"] == 1


@pytest.mark.parametrize(
    ("model", "vocabulary"),
    [
        ("gpt-5.2", "o200k_base"), ("openai/gpt-oss-120b", "o200k_base"), ("gpt-4o-mini", "o200k_base"), ("gpt-4.1", "o200k_base"), ("o3-mini", "o200k_base"),
        ("gpt-4-turbo", "cl100k_base"), ("gpt-4", "cl100k_base"), ("text-embedding-3-small", "cl100k_base"), ("claude-opus-4-6", None), ("llama-3.3-70b", None),
        ("mistral-large-3", None), ("qwen/qwen3.8-27b", None), ("o", None),
    ],
)  # fmt: skip
def test_only_who_is_known_by_name_is_counted_with_a_vocabulary(model: str, vocabulary: str | None) -> None:
    assert tokens.vocabulary_of(model) == vocabulary


def test_strange_text_is_counted_as_text() -> None:
    assert tokens.count_texts(["<|endoftext|>", "\ud800", ""], vocabulary="o200k_base") > 3
