"""One call over the real address: what is sent, heard and paid."""

import json
import threading
from dataclasses import replace
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from agents.gateway import models
from agents.gateway.errors import BadAsk, ReviewerUnavailable, Stopped
from agents.gateway.models import Call
from agents.gateway.ports import Ask, Intent, Message, Patience, ToolCall
from agents.gateway.services import complete
from billing.errors import BudgetExceeded
from billing.models import Hold, Overage
from billing.services import place_hold, release_hold
from core.ids import new_id
from core.models import Event
from core.registry import Tool, ToolContext, ToolResult
from core.services import outbox
from tests.agents.gateway.asked import BOTH, CLAUDE, GPT, HASTE, ask_now, books_agree
from tests.agents.gateway.fake_provider import ANTHROPIC, KEYS, OPENAI, Play, Provider
from tests.builders import a_factory_limit, a_scope, an_ask

pytestmark = pytest.mark.django_db


def a_tool() -> Tool:
    """Return a tool that is never called here."""

    def handler(context: ToolContext, arguments: Any, /) -> ToolResult:
        return ToolResult(f"{context} {arguments}")

    schema = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
    return Tool("read", "Reads a file.", schema, "read", handler)


def test_openai_is_asked_at_its_path_with_its_key_and_paid_by_the_token(provider: Provider) -> None:
    reply = ask_now(an_ask(intent=GPT))

    path, _, body = provider.seen[0]
    assert (path, body["model"], body["max_completion_tokens"]) == (OPENAI, "gpt-5.2", 1_000)
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert (reply.text, reply.stop, reply.provider, reply.model) == ("Hello.", "end", "openai", "gpt-5.2")
    assert reply.cost_microusd == 1_000 * 175 // 100 + 100 * 14
    assert books_agree()


def test_anthropic_is_asked_at_its_path_with_its_key_and_version(provider: Provider) -> None:
    reply = ask_now(an_ask(intent=CLAUDE))

    path, _, body = provider.seen[0]
    assert (path, body["model"], body["max_tokens"]) == (ANTHROPIC, "claude-sonnet-4-5", 1_000)
    assert body["system"] == "You are Rex."
    assert (reply.text, reply.provider) == ("Hello.", "anthropic")
    assert reply.cost_microusd == 1_000 * 3 + 100 * 15
    assert books_agree()


def test_tokens_read_from_and_written_to_the_cache_have_their_own_price(provider: Provider) -> None:
    provider.plays = [Play(usage={"prompt": 1_000, "cached": 400, "written": 200, "completion": 10})]

    reply = ask_now(an_ask(intent=CLAUDE))

    assert reply.cost_microusd == 400 * 3 + 400 * 3 // 10 + 200 * 375 // 100 + 10 * 15
    assert Call.objects.get().cache_write_tokens == 200


@BOTH
def test_a_longer_prompt_is_held_for_and_its_tokens_are_paid(provider: Provider, intent: Intent) -> None:
    provider.plays = [Play(), Play(usage={"prompt": 2_300})]

    short = ask_now(an_ask(intent=intent))
    longer = ask_now(an_ask(text="Think about monitoring. " + "word " * 1_000, intent=intent))

    bounds = [call.bound_microusd for call in Call.objects.order_by("started_at")]
    assert longer.cost_microusd > short.cost_microusd
    assert bounds[1] > bounds[0] > short.cost_microusd


@BOTH
def test_tool_calls_come_back_and_their_results_are_sent_as_the_provider_wants_them(
    provider: Provider, intent: Intent
) -> None:
    calls = (("call_1", "read", '{"path": "a.py"}'), ("call_2", "read", '{"path": "b.py"}'))
    provider.plays = [Play(text="", calls=calls, stop="tools")]
    ask = an_ask(intent=intent, tools=(a_tool(),))

    reply = ask_now(ask)
    answers = tuple(
        Message("tool", text, tool_call_id=c.id) for text, c in zip(("", "2"), reply.tool_calls, strict=True)
    )
    told = (*ask.messages, Message("assistant", tool_calls=reply.tool_calls), *answers)
    final = ask_now(replace(ask, messages=told))

    assert [(c.id, c.name, c.arguments) for c in reply.tool_calls] == [
        ("call_1", "read", {"path": "a.py"}),
        ("call_2", "read", {"path": "b.py"}),
    ]
    assert reply.stop == "tools"
    assert final.text == "Hello."
    assert "call_2" in json.dumps(provider.seen[1][2]["messages"])


def test_arguments_that_are_no_json_object_come_back_raw_and_go_out_as_they_were(provider: Provider) -> None:
    provider.plays = [Play(text="", calls=(("call_1", "read", '{"path": "a'),), stop="tools")]
    ask = an_ask(intent=GPT, tools=(a_tool(),))

    broken = ask_now(ask).tool_calls
    said = (
        Message("assistant", tool_calls=broken),
        Message("tool", "No.", tool_call_id="call_1", is_error=True),
    )
    ask_now(replace(ask, messages=(*ask.messages, *said)))

    assert broken == (ToolCall("call_1", "read", None, '{"path": "a'),)
    sent = provider.seen[1][2]["messages"]
    assert sent[2]["tool_calls"][0]["function"]["arguments"] == '{"path": "a'
    assert sent[3]["content"] == "error: No."


@BOTH
def test_no_call_of_a_cut_answer_is_handed_out(provider: Provider, intent: Intent) -> None:
    provider.plays = [Play(text="I", calls=(("call_1", "read", '{"path": "a.py"}'),), stop="length")]

    reply = ask_now(an_ask(intent=intent, tools=(a_tool(),)))

    assert (reply.stop, reply.tool_calls, reply.text) == ("length", (), "I")


@BOTH
@pytest.mark.parametrize(
    "play",
    [Play(fault="no_usage"), Play(usage={"prompt": -5}), Play(usage={"cached": 2_000}), Play(served="gpt-6")],
)
def test_an_answer_without_a_believable_bill_is_used_and_booked_at_its_bound(
    provider: Provider, intent: Intent, play: Play
) -> None:
    provider.plays = [play]

    reply = ask_now(an_ask(intent=intent))

    call = Call.objects.get()
    assert reply.text == "Hello."
    assert reply.cost_microusd == call.cost_microusd == call.bound_microusd
    assert call.status == "lost"
    assert books_agree()


@BOTH
def test_a_dated_name_has_the_price_of_its_model_and_another_model_its_own(
    provider: Provider, intent: Intent
) -> None:
    asked = "claude-sonnet-4-5" if intent is CLAUDE else "gpt-5.2"
    other = "claude-haiku-4-5-20251001" if intent is CLAUDE else "gpt-5-mini-2025-08-07"
    provider.plays = [Play(served=f"{asked}-20250929"), Play(served=other)]

    dated, cheap = ask_now(an_ask(intent=intent)), ask_now(an_ask(intent=intent))

    assert dated.cost_microusd == (4_500 if intent is CLAUDE else 3_150)
    assert cheap.cost_microusd == (1_500 if intent is CLAUDE else 450)
    assert cheap.model == other


def a_dated_row(name: str, *, of: str, dearer: int, is_enabled: bool) -> None:
    """Write a model and its price: that of the model it is a dated name of, so many times."""
    entry = models.ModelEntry.objects.get(name=of)
    price = models.Price.objects.get(model=entry)
    entry.pk, entry.name, entry.is_enabled = None, name, is_enabled
    entry.save(force_insert=True)
    price.pk, price.model = None, entry
    price.input_microusd, price.output_microusd = (
        price.input_microusd * dearer,
        price.output_microusd * dearer,
    )
    price.save(force_insert=True)


@BOTH
@pytest.mark.parametrize("is_enabled", [True, False], ids=["on", "off"])
def test_a_dated_name_that_has_a_price_of_its_own_is_paid_at_it(
    provider: Provider,
    intent: Intent,
    is_enabled: bool,  # noqa: FBT001  a row of the table
) -> None:
    asked = "claude-sonnet-4-5" if intent is CLAUDE else "gpt-5.2"
    a_dated_row(f"{asked}-20240513", of=asked, dearer=2, is_enabled=is_enabled)
    usage = {"prompt": 100, "completion": 10}
    intent = replace(intent, model=f"{'anthropic' if intent is CLAUDE else 'openai'}/{asked}")
    provider.plays = [Play(usage=usage), Play(served=f"{asked}-20240513", usage=usage)]

    usual, dearer = ask_now(an_ask(intent=intent)), ask_now(an_ask(intent=intent))

    assert dearer.cost_microusd == 2 * usual.cost_microusd
    assert books_agree()


def test_who_was_not_asked_is_paid_at_the_price_of_the_dated_name_and_a_row_without_a_price_is_none(
    provider: Provider,
) -> None:
    a_dated_row("gpt-5-mini-20240513", of="gpt-5-mini", dearer=3, is_enabled=False)
    a_dated_row("gpt-5-mini-20250807", of="gpt-5-mini", dearer=9, is_enabled=True)
    models.Price.objects.filter(model__name="gpt-5-mini-20250807").delete()
    provider.plays = [Play(served="gpt-5-mini-20240513"), Play(served="gpt-5-mini-20250807")]

    costs = [ask_now(an_ask(intent=GPT)).cost_microusd for _ in range(2)]

    assert costs == [3 * 450, 450]


def test_a_dated_name_is_paid_without_another_look_at_the_prices(provider: Provider) -> None:
    asks = [an_ask(intent=GPT) for _ in range(3)]
    ask_now(asks[0])
    provider.plays = [Play(), Play(served="gpt-5.2-2025-12-11")]

    counts = []
    for ask in asks[1:]:
        with CaptureQueriesContext(connection) as queries:
            ask_now(ask)
        counts.append(len(queries))

    assert counts[0] == counts[1]


def test_a_bill_above_its_bound_is_booked_at_the_bound_and_stops_the_provider(provider: Provider) -> None:
    provider.plays = [Play(usage={"prompt": 900_000})]

    reply = ask_now(an_ask(intent=GPT))

    bound = Call.objects.get().bound_microusd
    assert reply.cost_microusd == bound
    assert Overage.objects.get().excess_microusd == 900_000 * 175 // 100 + 1_400 - bound
    assert not models.Provider.objects.get(name="openai").is_enabled
    assert ask_now(an_ask(intent=GPT)).provider == "anthropic"
    assert books_agree()


def test_an_answer_of_a_dearer_lane_is_booked_at_its_bound_and_stops_the_provider(provider: Provider) -> None:
    provider.plays = [Play(lane="default"), Play(lane="priority")]

    usual, dearer = ask_now(an_ask(intent=GPT)), ask_now(an_ask(intent=GPT))

    first, second = Call.objects.order_by("started_at")
    assert (first.status, usual.cost_microusd) == ("answered", 3_150)
    assert (second.status, dearer.cost_microusd) == ("lost", second.bound_microusd)
    assert (dearer.text, second.prompt_tokens) == ("Hello.", 1_000)
    assert "dearer" in models.Provider.objects.get(name="openai", is_enabled=False).stopped_because
    assert Event.objects.filter(kind="gateway.provider_stopped").exists()
    assert ask_now(an_ask(intent=GPT)).provider == "anthropic"
    assert books_agree()


def test_a_provider_without_a_key_is_off_in_a_real_factory(provider: Provider, settings: Any) -> None:
    settings.MODEL_KEYS = {"anthropic": KEYS["anthropic"]}

    reply = ask_now(an_ask(intent=GPT))

    assert reply.provider == "anthropic"
    with pytest.raises(ReviewerUnavailable):
        ask_now(an_ask(intent=Intent(quality="best", not_provider="anthropic")))


def test_a_refused_budget_calls_nobody_and_writes_no_row(provider: Provider) -> None:
    task = a_scope(life=100)

    with pytest.raises(BudgetExceeded):
        ask_now(an_ask(scopes=(task.id,)))

    assert provider.seen == []
    assert not Call.objects.exists()


def test_a_call_that_fits_but_for_others_waits_for_them(provider: Provider) -> None:
    bound = 100_000
    a_factory_limit(day=bound)
    other, stop = new_id(), threading.Event()
    task = a_scope()
    from_others = hold_for(task.id, bound - 1, other)

    with pytest.raises(BudgetExceeded):
        complete(an_ask(scopes=(task.id,)), stop=stop, patience=HASTE)
    from_others()

    assert complete(an_ask(scopes=(task.id,)), stop=stop, patience=HASTE).text == "Hello."


def hold_for(scope: Any, bound: int, call_id: Any) -> Any:
    """Hold money for another call and return what gives it back."""
    place_hold(scopes=[scope], bound_microusd=bound, call_id=call_id)
    return lambda: release_hold(call_id)


@pytest.mark.parametrize("missing", [{"agent": ""}, {"messages": ()}, {"max_tokens": 0}, {"scopes": ()}])
def test_a_call_that_does_not_say_who_and_how_much_is_refused(provider: Provider, missing: Any) -> None:
    with pytest.raises(BadAsk):
        ask_now(replace(an_ask(), **missing))

    assert provider.seen == []


@pytest.mark.django_db(transaction=True)
def test_the_hold_is_on_disk_before_the_call_leaves(provider: Provider) -> None:
    provider.plays = [Play(fault="stalled")]
    stop = threading.Event()
    worker = threading.Thread(target=_complete_and_close, args=(an_ask(intent=GPT), stop))
    worker.start()
    while not provider.seen:
        worker.join(0.02)

    seen_by_others = (Hold.objects.open().count(), Call.objects.get().status)
    stop.set()
    worker.join()

    assert seen_by_others == (1, "open")
    assert books_agree()


def _complete_and_close(ask: Ask, stop: threading.Event) -> None:
    try:
        complete(ask, stop=stop, patience=Patience())
    except Stopped:
        pass
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
def test_an_answer_that_is_kept_waits_for_the_disk(provider: Provider) -> None:
    question = "pragma synchronous" if connection.vendor == "sqlite" else "show synchronous_commit"
    said: list[list[object]] = []

    def ask_the_database(*_: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute(question)
            said.append([cursor.fetchone()[0], connection.in_atomic_block])

    ask_the_database()
    complete(an_ask(intent=GPT), stop=threading.Event(), keep=ask_the_database)

    assert said == [[said[0][0], False], [said[0][0], True]]


def test_a_settled_call_is_a_fact_beside_its_row_only_for_who_handles_it(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask_now(an_ask())
    told = Event.objects.filter(kind="gateway.call_settled")
    before = told.count()
    monkeypatch.setitem(outbox._handlers, "gateway.call_settled", [lambda event: None])

    reply = ask_now(an_ask())

    assert before == 0
    assert [event.facts["call_id"] for event in told] == [str(reply.call_id)]
