"""A call that fails, is limited or is stopped: who is asked next, and what is booked."""

import logging
import threading
import time
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import OperationalError, connection
from django.forms.models import model_to_dict
from django.utils import timezone

from agents.gateway import models
from agents.gateway.adapters import transport
from agents.gateway.adapters.http import Line, fault_of
from agents.gateway.adapters.openai import OpenAIWire
from agents.gateway.adapters.transport import WIRES
from agents.gateway.errors import AllProvidersDown, ProviderFault, RateLimited, Stopped
from agents.gateway.handlers import close_lost_call
from agents.gateway.models import Call
from agents.gateway.ports import Intent, Patience, Reply
from agents.gateway.rules import patience
from agents.gateway.services import complete
from agents.gateway.services.health import refusing_now
from agents.gateway.services.records import open_call
from agents.gateway.services.routes import routes_for
from billing.models import Entry, Hold
from billing.services import lose_hold, place_hold, set_switch, settle_orphans
from core.adapters.secret_box import seal
from core.errors import FactoryError
from core.ids import new_id
from core.models import Event
from core.registry import run_checks
from core.services import relay_waiting, stop_everything
from tests.agents.gateway.asked import BOTH, GPT, HASTE, ask_now, books_agree, rows
from tests.agents.gateway.fake_provider import KEYS, Play, Provider
from tests.builders import a_scope, an_ask

pytestmark = pytest.mark.django_db


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


class SwitchOffMeanwhile(threading.Event):
    """A stop that is never set; whoever waits beside it finds something switched off afterwards."""

    def __init__(self, kind: str, ref: str) -> None:
        super().__init__()
        self._switch = (kind, ref)

    def wait(self, timeout: float | None = None) -> bool:
        """Switch it off."""
        set_switch(*self._switch, by="owner:ada", reason="test")
        return False


@pytest.mark.parametrize("switch", [("provider", "openai"), ("model", "openai/gpt-5.2")])
def test_who_is_switched_off_during_the_pause_after_a_failure_gives_his_turn_to_the_next(
    provider: Provider, switch: tuple[str, str]
) -> None:
    provider.plays = [Play(fault="500"), Play(fault="500"), Play(fault="500")]

    with pytest.raises(AllProvidersDown):
        complete(an_ask(intent=GPT), stop=SwitchOffMeanwhile(*switch), patience=HASTE)

    assert provider.models == ["gpt-5.2", "claude-sonnet-4-5", "claude-sonnet-4-5"]
    assert books_agree()


def test_when_the_only_provider_is_switched_off_during_the_pause_the_failure_is_what_is_heard(
    provider: Provider, settings: Any
) -> None:
    settings.MODEL_KEYS = {"openai": KEYS["openai"]}
    provider.plays = [Play(fault="500")]

    with pytest.raises(AllProvidersDown):
        complete(an_ask(intent=GPT), stop=SwitchOffMeanwhile("provider", "openai"), patience=HASTE)

    assert provider.models == ["gpt-5.2"]
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
        ("202", "garbled"), ("303", "garbled"), ("408", "refused_request"), ("409", "refused_request"),
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


REFUSALS = {*range(400, 500)} - {408, 409, 423, 499}
MOVED = (301, 307, 308)


def test_only_what_providers_say_before_they_begin_is_free() -> None:
    free = {code for code in range(201, 600) if fault_of(code, headers={}, words=b"", key="").is_free}

    assert free == {*MOVED, *REFUSALS, 500, 503, 529}


def test_a_short_answer_that_does_not_come_in_time_is_asked_of_the_next(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "BASE_S", 0.3)
    provider.plays = [Play(fault="stalled")]

    reply = complete(an_ask(intent=GPT, max_tokens=2), stop=threading.Event(), patience=Patience())

    assert reply.provider == "anthropic"
    assert rows()[0] == ("gpt-5.2", "lost", "silent")
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


@BOTH
def test_a_key_of_any_shape_that_is_repeated_inside_an_answer_is_in_no_row_and_no_log(
    provider: Provider, settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, intent: Intent
) -> None:  # fmt: skip
    for name in KEYS:
        monkeypatch.setitem(KEYS, name, f"Zq8Lk2Vt0Xb7Nw5Pf3Hj9Rm1Yc6Ds4Ga{name}")
    settings.MODEL_KEYS = dict(KEYS)
    caplog.set_level(logging.DEBUG)
    provider.plays = [Play(fault="error_event")] * 3

    with pytest.raises(AllProvidersDown) as refused:
        ask_now(an_ask(intent=intent))

    told = "\n".join([*Call.objects.values_list("words", flat=True), refused.value.sentence, caplog.text])
    assert "no: ***" in told
    assert "Zq8Lk2Vt" not in told


@BOTH
def test_halves_of_signs_and_what_no_database_takes_come_as_text_that_can_be_kept(
    provider: Provider, intent: Intent
) -> None:
    raw = r'{"path": "a\ud83d\ude00\ud800\u0000.py"}'
    provider.plays = [
        Play(text="Done \ud83d\ude00 \ude00 \0", calls=(("call_1", "read", raw),), stop="tools")
    ]

    reply = ask_now(an_ask(intent=intent))

    assert reply.text == "Done \U0001f600 \ufffd \ufffd"
    assert reply.tool_calls[0].arguments == {"path": "a\U0001f600\ufffd\ufffd.py"}


def test_whose_key_was_sealed_elsewhere_is_passed_over_and_the_check_says_so(
    provider: Provider, settings: Any
) -> None:
    settings.MODEL_KEYS = {"anthropic": KEYS["anthropic"]}
    sealed = seal(KEYS["openai"], label="another")
    models.ProviderKey.objects.create(provider_id="openai", sealed=sealed, last_four="", set_by="owner")

    reply = ask_now(an_ask(intent=GPT))

    assert reply.provider == "anthropic"
    found = run_checks()["models"]
    assert (found.state, "openai" in found.words) == ("fail", True)


def test_who_is_not_even_reached_from_here_is_tried_once(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached, asked = transport.line_to, []

    def broken(maker: models.Provider, **more: Any) -> Line:
        asked.append(maker.name)
        if maker.name == "openai":
            raise ProviderFault("unreachable", is_free=True, words="its child does not start")
        return reached(maker, **more)

    monkeypatch.setattr(transport, "line_to", broken)

    ask = an_ask(intent=GPT)
    ways = [choice.model.provider_id for choice in routes_for(ask)]
    reply = ask_now(ask)

    assert reply.provider == "anthropic"
    assert asked == ways[: ways.index("anthropic") + 1]
    assert Call.objects.count() == 1


def test_who_refuses_our_key_or_account_is_known_until_it_answers_again(provider: Provider) -> None:
    provider.plays = [Play(fault="401")]
    ask_now(an_ask(intent=GPT))
    during = refusing_now()
    provider.plays = []
    ask_now(an_ask(intent=GPT))

    assert list(during) == ["openai"]
    assert during["openai"][1].startswith("401: no")
    assert refusing_now() == {}


def test_one_provider_that_asks_to_wait_is_waited_for(provider: Provider, settings: Any) -> None:
    settings.MODEL_KEYS = {"openai": KEYS["openai"]}
    provider.plays = [Play(fault="429", headers=(("retry-after", "0"),))] * 2

    reply = ask_now(an_ask(intent=Intent(quality="best")))

    assert provider.models == ["gpt-5.2", "gpt-5-mini", "gpt-5.2"]
    assert reply.text == "Hello."


def test_providers_that_only_ask_to_wait_are_not_down(provider: Provider) -> None:
    provider.plays = [Play(fault="429")] * 5

    with pytest.raises(RateLimited):
        ask_now(an_ask(intent=GPT))

    assert not Event.objects.filter(kind="gateway.providers_down").exists()


@pytest.mark.parametrize(
    ("play", "code"),
    [
        (Play(fault="401"), "ALL_PROVIDERS_DOWN"),
        (Play(fault="429", headers=(("retry-after", "3600"),)), "RATE_LIMITED"),
    ],
)
def test_a_key_that_is_refused_or_limited_for_an_hour_costs_nothing_and_the_work_waits_instead_of_failing(
    provider: Provider, settings: Any, play: Play, code: str
) -> None:
    settings.MODEL_KEYS = {"openai": KEYS["openai"]}
    provider.plays = [play] * 30

    for _ in range(10):
        with pytest.raises(FactoryError) as refusal:
            ask_now(an_ask(intent=GPT))
        assert (refusal.value.code, refusal.value.misses) == (code, "gateway")

    assert set(Call.objects.values_list("status", "cost_microusd")) == {("failed", 0)}
    assert not Hold.objects.open().exists()
    assert len(provider.models) <= 20


@pytest.mark.parametrize(
    ("play", "state", "words"),
    [
        (Play(), "fine", "Nobody"),
        (Play(fault="401"), "fail", "refused by openai"),
        (Play(fault="429", headers=(("retry-after", "3600"),)), "warn", "wait by openai"),
    ],
)
def test_the_owner_sees_whose_key_is_refused_or_limited_until_it_answers_again(
    provider: Provider, settings: Any, play: Play, state: str, words: str
) -> None:
    settings.MODEL_KEYS = {"openai": KEYS["openai"]}
    provider.plays = [play] * 3

    with suppress(FactoryError):
        ask_now(an_ask(intent=GPT))
    during = run_checks()["provider answers"]
    provider.plays = []
    ask_now(an_ask(intent=GPT))

    assert (during.state, words in during.words) == (state, True), during
    assert run_checks()["provider answers"].state == "fine"


def test_a_provider_nobody_can_reach_is_free_and_tried_twice(provider: Provider) -> None:
    models.Provider.objects.filter(name="openai").update(base_url="http://127.0.0.1:9")

    reply = ask_now(an_ask(intent=GPT))

    assert [row[2] for row in rows()] == ["unreachable", "unreachable", ""]
    assert reply.provider == "anthropic"
    assert books_agree()


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


def test_a_call_that_a_worker_with_a_fast_clock_gave_up_is_closed_at_once(provider: Provider) -> None:
    ask = an_ask(intent=GPT)
    call = open_call(ask, routes_for(ask)[0].route, fallback_from=None)

    with time_machine.travel(timezone.now() + timedelta(minutes=5)):
        settle_orphans(is_dead=lambda _: True)
    relay_waiting()

    call.refresh_from_db()
    assert (call.status, call.cost_microusd) == ("lost", call.bound_microusd)
    assert books_agree()


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
        raise connection.Database.OperationalError("the connection was cut")  # type: ignore[attr-defined]


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
