"""The bound of a real request against the provider's own bill: never below it, and close to it."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from agents.gateway import models
from agents.gateway.adapters import tokens
from agents.gateway.adapters.transport import hang_up
from agents.gateway.door.protocols import DOORS, Protocol
from agents.gateway.errors import CostUnbounded
from agents.gateway.models import Call, ModelEntry
from agents.gateway.ports import Ask, Intent, Message, Patience, ToolCall
from agents.gateway.services import complete, sync_prices
from agents.gateway.services.bounds import bound_of_body
from agents.gateway.services.catalogue import tariffs_on
from billing.models import Overage
from core.registry import Tool, ToolContext, ToolResult
from core.services import business_now, found_installation
from tests.agents.gateway.fake_provider import KEYS
from tests.builders import an_ask
from tests.faults.client import Faults
from tests.faults.play import Play

pytestmark = pytest.mark.django_db

HASTE = Patience(first_token_s=5, silence_s=5, total_s=10, budget_s=0.3)
PROSE = "The quick brown fox jumps over the lazy dog, and then it thinks about monitoring for a while. "
CODE = "def total(rows: list[int]) -> int:\n    return sum(row for row in rows if row % 2 == 0)\n"
WORDS = {
    "prose": PROSE * 20, "code": CODE * 20, "json": '{"name": "a", "values": [1, 2, 3]}' * 40, "umlauts": "Größe über Straße — 日本語のテキスト " * 20,
    "long": PROSE * 2_000, "one word": "Hi.",
}  # fmt: skip


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


def marks_in(part: Any) -> int:
    """Return how many parts of a request are to be kept."""
    if isinstance(part, list):
        return sum(map(marks_in, part))
    if not isinstance(part, dict):
        return 0
    return (part.get("cache_control") == {"type": "ephemeral"}) + sum(map(marks_in, part.values()))


def a_loop(text: str, *, turns: int, **said: Any) -> Ask:
    """Return an ask in a loop of tools, after so many turns."""
    ask = an_ask(text=text, intent=Intent(quality="best", not_provider="openai"), max_tokens=100, **said)
    told: list[Message] = []
    for n in range(turns):
        told += [
            Message("assistant", tool_calls=(ToolCall(f"c{n}", "read", {}, "{}"),)),
            Message("tool", f"{n} lines", tool_call_id=f"c{n}"),
        ]
    return replace(ask, tools=(a_tool(),), messages=(*ask.messages, *told))


@pytest.mark.parametrize("turns", [0, 1, 7])
@pytest.mark.parametrize("system", ["You are Rex.", ""], ids=["system", "none"])
def test_what_a_loop_of_tools_will_read_again_is_kept_and_its_bill_stays_within_the_bound(
    faults: Faults, turns: int, system: str
) -> None:
    ask_now(a_loop(PROSE * 300, turns=turns, system=system))

    call, [told], [sent] = Call.objects.get(), faults.calls(), faults.bodies()
    assert marks_in(sent["body"]) == (3 if turns else 2)
    assert marks_in(sent["body"]["messages"][-1]) == 1
    assert told["tokens"]["cache_write"] == told["tokens"]["prompt"] == call.cache_write_tokens
    assert call.cost_microusd == told["billed_microusd"] <= call.bound_microusd
    assert not Overage.objects.exists()


def test_what_is_short_or_asked_once_is_not_kept(faults: Faults) -> None:
    ask_now(a_loop("Hi.", turns=2))
    ask_now(replace(a_loop(PROSE * 300, turns=0), tools=()))

    assert [marks_in(sent["body"]) for sent in faults.bodies()] == [0, 0]


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


@contextmanager
def a_gemini(answer: bytes) -> Iterator[tuple[str, list[tuple[str, str, Any]]]]:
    """Count as Gemini does, with this answer; give its OpenAI-shaped address and what was asked."""
    asked: list[tuple[str, str, Any]] = []

    class Door(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

        def do_POST(self) -> None:
            """Keep what came, and answer."""
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            asked.append((self.path, self.headers["x-goog-api-key"], body))
            self.send_response(200)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1beta/openai", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        hang_up()


@pytest.mark.parametrize(
    ("answer", "least", "most"),
    [
        (b'{"totalTokens": 2500}', 2_500, 3_125),
        (b'{"totalTokens": -1}', 10_000, 12_500),
        (b"<html>", 10_000, 12_500),
    ],
)
def test_gemini_counts_beside_its_openai_shaped_address_and_only_what_it_says_is_believed(
    settings: Any, answer: bytes, least: int, most: int
) -> None:
    settings.MODEL_KEYS = {"gemini": "AIza-test-1234567890"}
    found_installation("real")
    sync_prices()
    data = {
        "model": "gemini-2.5-pro",
        "max_tokens": 10,
        "messages": [{"role": "user", "content": PROSE * 100}],
    }

    with a_gemini(answer) as (address, asked):
        models.Provider.objects.filter(name="gemini").update(base_url=address)
        entry = ModelEntry.objects.select_related("provider").get(name="gemini-2.5-pro")
        bound = bound_of_body(entry, data=data, size_bytes=10_000)
    price = tariffs_on(business_now().date())[entry.pk]

    assert least * price.input < bound * 10**6 <= most * price.input
    path, key, body = asked[0]
    assert (path, key) == ("/v1beta/models/gemini-2.5-pro:countTokens", "AIza-test-1234567890")
    assert "".join(part["text"] for part in body["contents"][0]["parts"]) == PROSE * 100


SECRETLY = "word " * 4_000
NOT_READ = {
    "model", "stream", "stream_options", "n", "temperature", "top_p", "top_k", "min_p", "stop", "stop_sequences", "seed", "user", "store",
    "metadata", "client_metadata", "safety_identifier", "cache_control", "context_management", "max_tokens", "max_completion_tokens",
    "max_output_tokens", "service_tier",
}  # fmt: skip
"""How to answer, whom it is for, and how it is carried: no model reads it, and no provider bills it as prompt."""
FULL: dict[str, Any] = {
    "messages": [{"role": "user", "content": SECRETLY}], "input": SECRETLY, "instructions": SECRETLY, "system": SECRETLY,
    "tools": [{"name": SECRETLY}], "functions": [{"name": SECRETLY}],
}  # fmt: skip


@pytest.mark.parametrize("door", DOORS, ids=lambda door: str(door.name))
@pytest.mark.parametrize("model", ["gpt-5-mini", "claude-haiku-4-5"])
def test_every_field_of_every_door_is_counted_or_read_by_no_model(
    faults: Faults, door: Protocol, model: str
) -> None:
    entry = ModelEntry.objects.select_related("provider").get(name=model)
    plain = {"model": model, "max_tokens": 10}
    least = bound_of_body(entry, data=plain, size_bytes=len(json.dumps(plain)))

    cheap = set()
    for field in door.fields - {"max_tokens"}:
        data = {**plain, field: FULL.get(field, {"words": SECRETLY})}
        with suppress(CostUnbounded):  # it holds what it may hold, or is refused
            bound = bound_of_body(entry, data=data, size_bytes=len(json.dumps(data)))
            cheap |= {field} if bound < least + 3_000 * _price_of(entry) // 10**6 else set()

    told_to_count = set(tokens.ASKED) if model == "claude-haiku-4-5" else set()
    assert cheap <= NOT_READ | told_to_count


def _price_of(entry: ModelEntry) -> int:
    return tariffs_on(business_now().date())[entry.pk].input


def test_a_schema_costs_the_same_room_under_either_of_its_names(faults: Faults) -> None:
    entry = ModelEntry.objects.select_related("provider").get(name="claude-haiku-4-5")
    shape = {"type": "json_schema", "schema": {"type": "object", "description": PROSE * 300}}
    plain = {"model": entry.name, "max_tokens": 10, "messages": [{"role": "user", "content": PROSE}]}
    asked = [plain, {**plain, "output_format": shape}, {**plain, "output_config": {"format": shape}}]

    none, older, newer = (bound_of_body(entry, data=body, size_bytes=40_000) for body in asked)

    assert none * 20 < older <= newer
