"""One call over the real address: what is sent, heard, paid, and what happens when it fails."""

import json
import logging
import threading
import time
from dataclasses import replace
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.forms.models import model_to_dict

from agents.gateway import models
from agents.gateway.adapters.openai import OpenAIWire
from agents.gateway.adapters.transport import WIRES
from agents.gateway.errors import AllProvidersDown, BadAsk, RateLimited, ReviewerUnavailable, Stopped
from agents.gateway.handlers import close_lost_call
from agents.gateway.models import Call
from agents.gateway.ports import Ask, Intent, Message, Patience, Reply, ToolCall
from agents.gateway.services import complete
from agents.gateway.services.records import open_call
from agents.gateway.services.routes import routes_for
from billing.errors import BudgetExceeded
from billing.models import Entry, Hold, Overage, Window
from billing.services import lose_hold, place_hold, release_hold
from core.ids import new_id
from core.models import Event
from core.registry import Tool, ToolContext, ToolResult
from core.services import stop_everything
from tests.agents.gateway.fake_provider import ANTHROPIC, KEYS, OPENAI, Play, Provider
from tests.builders import a_factory_limit, a_scope, an_ask

pytestmark = pytest.mark.django_db

HASTE = Patience(first_token_s=0.5, silence_s=0.5, total_s=5, budget_s=0.3)
CLAUDE = Intent(quality="best", not_provider="openai")
GPT = Intent(quality="best")
BOTH = pytest.mark.parametrize("intent", [GPT, CLAUDE], ids=["openai", "anthropic"])


def ask_now(ask: Ask, *, patience: Patience = HASTE) -> Any:
    """Complete `ask` and return the reply."""
    return complete(ask, stop=threading.Event(), patience=patience)


def rows() -> list[tuple[str, str, str]]:
    """Return (model, status, fault) of every attempt, in order."""
    calls = Call.objects.order_by("started_at", "id").select_related("model")
    return [(call.model.name, call.status, call.fault) for call in calls]


def books_agree() -> bool:
    """Say whether nothing is held and calls, ledger and windows tell one sum."""
    spent = Window.objects.get(scope__kind="factory", period="month").spent_microusd
    sums = {Call.objects.total_microusd(), Entry.objects.total_microusd(), spent}
    return len(sums) == 1 and not Hold.objects.open().exists()


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


def test_a_429_goes_to_the_next_model_at_once_and_costs_nothing(provider: Provider) -> None:
    provider.plays = [Play(fault="429")]

    reply = ask_now(an_ask(intent=GPT))

    assert reply.model == "claude-sonnet-4-5"
    assert rows() == [("gpt-5.2", "failed", "rate_limited"), ("claude-sonnet-4-5", "answered", "")]
    second = Call.objects.get(status="answered")
    assert second.fallback_from == Call.objects.get(status="failed")
    assert books_agree()


def test_a_broken_server_gets_one_more_try_then_the_next_model(provider: Provider) -> None:
    provider.plays = [Play(fault="500"), Play(fault="503")]

    ask_now(an_ask(intent=GPT))

    assert provider.models == ["gpt-5.2", "gpt-5.2", "claude-sonnet-4-5"]
    assert Entry.objects.lost().count() == 0
    assert books_agree()


def test_three_failed_attempts_are_the_end(provider: Provider) -> None:
    provider.plays = [Play(fault="500")] * 9

    with pytest.raises(AllProvidersDown) as down:
        ask_now(an_ask(intent=GPT))

    assert len(provider.seen) == len(rows()) == 3
    assert "gpt-5.2: server 500" in str(down.value)
    assert Event.objects.filter(kind="gateway.providers_down").exists()
    assert books_agree()


@BOTH
@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("silent", "silent"), ("stalled", "silent"), ("cut", "cut"), ("garbled", "garbled"),
        ("not_json", "garbled"), ("error_event", "server"), ("slammed", "cut"), ("502", "server"),
    ],
)  # fmt: skip
def test_an_attempt_whose_cost_nobody_knows_is_booked_at_its_bound_and_another_is_made(
    provider: Provider, intent: Intent, fault: str, kind: str
) -> None:
    provider.plays = [Play(fault=fault)]

    reply = ask_now(an_ask(intent=intent))

    failed, answered = Call.objects.order_by("started_at")
    assert (failed.status, failed.fault, failed.cost_microusd) == ("lost", kind, failed.bound_microusd)
    assert Entry.objects.lost().total_microusd() == failed.bound_microusd
    assert (reply.text, answered.status) == ("Hello.", "answered")
    assert books_agree()


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


def test_a_bill_above_its_bound_is_booked_at_the_bound_and_stops_the_provider(provider: Provider) -> None:
    provider.plays = [Play(usage={"prompt": 900_000})]

    reply = ask_now(an_ask(intent=GPT))

    bound = Call.objects.get().bound_microusd
    assert reply.cost_microusd == bound
    assert Overage.objects.get().excess_microusd == 900_000 * 175 // 100 + 1_400 - bound
    assert not models.Provider.objects.get(name="openai").is_enabled
    assert ask_now(an_ask(intent=GPT)).provider == "anthropic"
    assert books_agree()


def test_a_refused_key_goes_on_tells_the_owner_and_is_in_no_row_and_no_log(
    provider: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    provider.plays = [Play(fault="401")]

    ask_now(an_ask(intent=GPT))

    assert rows()[0] == ("gpt-5.2", "failed", "refused_us")
    assert Event.objects.filter(kind="gateway.provider_refused").exists()
    kept = [
        *Call.objects.values_list("words", flat=True),
        *map(str, Event.objects.values_list("facts", flat=True)),
    ]
    told = "\n".join([*kept, caplog.text])
    assert "no: ***" in told
    assert not [key for key in KEYS.values() if key in told]


def test_one_provider_that_asks_to_wait_is_waited_for(provider: Provider, settings: Any) -> None:
    settings.MODEL_KEYS = {"openai": KEYS["openai"]}
    provider.plays = [Play(fault="429"), Play(fault="429", headers=(("retry-after", "0"),))]

    reply = ask_now(an_ask(intent=Intent(quality="good")))

    assert provider.models == ["gpt-5-mini", "gpt-5.2", "gpt-5-mini"]
    assert reply.text == "Hello."


def test_providers_that_only_ask_to_wait_are_not_down(provider: Provider) -> None:
    provider.plays = [Play(fault="429")] * 5

    with pytest.raises(RateLimited):
        ask_now(an_ask(intent=GPT))

    assert not Event.objects.filter(kind="gateway.providers_down").exists()


def test_a_provider_without_a_key_is_off_in_a_real_factory(provider: Provider, settings: Any) -> None:
    settings.MODEL_KEYS = {"anthropic": KEYS["anthropic"]}

    reply = ask_now(an_ask(intent=GPT))

    assert reply.provider == "anthropic"
    with pytest.raises(ReviewerUnavailable):
        ask_now(an_ask(intent=Intent(quality="best", not_provider="anthropic")))


def test_a_provider_nobody_can_reach_is_free_and_tried_twice(provider: Provider) -> None:
    models.Provider.objects.filter(name="openai").update(base_url="http://127.0.0.1:9")

    reply = ask_now(an_ask(intent=GPT))

    assert [row[2] for row in rows()] == ["unreachable", "unreachable", ""]
    assert reply.provider == "anthropic"
    assert books_agree()


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


def test_when_everything_is_stopped_nobody_is_called(provider: Provider) -> None:
    stop_everything(by="owner:ada")

    with pytest.raises(Stopped):
        ask_now(an_ask())

    assert provider.seen == []
    assert not Hold.objects.exists()


def test_a_stopped_piece_of_work_calls_nobody(provider: Provider) -> None:
    stop = threading.Event()
    stop.set()

    with pytest.raises(Stopped):
        complete(an_ask(), stop=stop, patience=HASTE)

    assert provider.seen == []


@BOTH
def test_a_stop_cuts_an_open_stream_and_what_it_may_have_cost_is_booked(
    provider: Provider, intent: Intent
) -> None:
    provider.plays = [Play(fault="stalled")]
    stop = threading.Event()

    def stop_under_way() -> None:
        while not provider.seen:
            time.sleep(0.01)
        stop.set()

    stopper = threading.Thread(target=stop_under_way)
    stopper.start()
    with pytest.raises(Stopped):
        complete(an_ask(intent=intent), stop=stop, patience=Patience())
    stopper.join()

    call = Call.objects.get()
    assert (call.status, call.fault, call.cost_microusd) == ("lost", "stopped", call.bound_microusd)
    assert books_agree()


@pytest.mark.parametrize("missing", [{"agent": ""}, {"messages": ()}, {"max_tokens": 0}, {"scopes": ()}])
def test_a_call_that_does_not_say_who_and_how_much_is_refused(provider: Provider, missing: Any) -> None:
    with pytest.raises(BadAsk):
        ask_now(replace(an_ask(), **missing))

    assert provider.seen == []


def test_a_lost_hold_closes_the_row_of_its_call(provider: Provider) -> None:
    ask_now(an_ask())
    call = Call.objects.get()
    lost = Call(**{**model_to_dict(call), "id": new_id(), "model": call.model, "status": "open", "cost_microusd": None, "ended_at": None})  # fmt: skip
    lost.save(force_insert=True)
    place_hold(scopes=[a_scope().id], bound_microusd=call.bound_microusd, call_id=lost.pk)

    lose_hold(lost.id)
    close_lost_call(Event.objects.get(kind="billing.hold_lost"))

    lost.refresh_from_db()
    assert (lost.status, lost.cost_microusd) == ("lost", call.bound_microusd)
    assert books_agree()


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
def test_an_answer_is_booked_and_kept_when_the_database_was_away_for_a_moment(provider: Provider) -> None:
    kept: list[Reply] = []

    def keep(reply: Reply) -> None:
        kept.append(reply)
        if len(kept) == 1:
            raise OperationalError("the connection is closed")

    reply = complete(an_ask(intent=GPT), stop=threading.Event(), patience=HASTE, keep=keep)

    assert (len(provider.seen), kept[-1]) == (1, reply)
    assert rows() == [("gpt-5.2", "answered", "")]
    assert Entry.objects.get().amount_microusd == reply.cost_microusd
    assert books_agree()


class CommitUnheard:
    """A connection that is cut while the database says that it has committed; the next one is sound."""

    def __init__(self, sound: Any) -> None:
        self.__dict__["sound"] = sound

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sound, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.sound, name, value)

    def commit(self) -> None:
        """Commit, and lose the answer."""
        self.sound.commit()
        connection.connection = self.sound
        raise connection.Database.OperationalError("the connection was cut")


@pytest.mark.django_db(transaction=True)
def test_a_hold_whose_commit_was_not_heard_is_found_and_its_call_goes_on(provider: Provider) -> None:
    ask = an_ask(intent=GPT)
    route = routes_for(ask)[0].route
    route.bound_microusd  # noqa: B018 (written and counted when first asked)
    connection.connection = CommitUnheard(connection.connection)

    call = open_call(ask, route, fallback_from=None)

    assert Hold.objects.open().get().call_id == call.id
    assert Call.objects.get() == call


class BrokenWire(OpenAIWire):
    """A protocol whose stream breaks where nobody expects it: in the hands of who listens."""

    def listen(self) -> Any:
        """Break."""
        raise RuntimeError("nobody foresaw this")


def test_whatever_breaks_while_a_model_answers_leaves_no_hold_behind(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(WIRES, "broken", BrokenWire())
    models.Provider.objects.update(protocol="broken")

    with pytest.raises(RuntimeError):
        ask_now(an_ask(intent=GPT))

    assert rows() == [("gpt-5.2", "lost", "garbled")]
    assert books_agree()
