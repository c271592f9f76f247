"""Many answers at once, and how each of them can end early: whatever happens, the bill is settled."""

import http.client
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from agents.gateway.models import Call
from agents.gateway.services import health
from agents.roster.services import revoke_tokens
from billing.models import Hold, Scope, Window
from billing.services import open_scope, set_switch
from core.adapters.tls import trusted
from core.services import stop_everything
from tests.agents.gateway.door.conftest import DOLLAR, Begin, Run
from tests.builders import an_agent, an_assignment
from tests.faults.client import Faults
from tests.faults.play import Play

ASK = {
    "model": "gpt-5-mini",
    "messages": [{"role": "user", "content": "Hi"}],
    "max_completion_tokens": 100,
    "stream": True,
}
SLOW = Play(text="word " * 400, chunks=400, chunk_s=0.1, times=None)
PATIENCE_S = 30


def until(is_true: Callable[[], object]) -> None:
    """Wait until something holds."""
    end = time.monotonic() + PATIENCE_S
    while not is_true():
        assert time.monotonic() < end
        time.sleep(0.05)


def settled() -> bool:
    """Whether no hold is open and no money is held."""
    return not Hold.objects.open().exists() and not Window.objects.filter(held_microusd__gt=0).exists()


class Listener(threading.Thread):
    """Reads one stream in a thread; `got` is what came, `ended_at` when it was over."""

    def __init__(self, run: Run) -> None:
        super().__init__(daemon=True)
        self.run_of, self.got, self.ended_at = run, b"", 0.0

    def run(self) -> None:
        """Read to the end."""
        client = httpx.Client(
            base_url=self.run_of.site, headers=self.run_of.headers, timeout=60, verify=trusted()
        )
        with client, client.stream("POST", "/v1/chat/completions", json=ASK) as answer:
            for part in answer.iter_raw():
                self.got += part
        self.ended_at = time.monotonic()


def test_fifty_streams_run_at_once_and_a_stop_of_everything_closes_them(begin: Begin, faults: Faults) -> None:
    faults.always(SLOW)
    run = begin(cap_microusd=10_000_000)
    listeners = [Listener(run) for _ in range(50)]
    for listener in listeners:
        listener.start()
    until(lambda: all(listener.got for listener in listeners))
    assert faults.totals()["open_now"] == 50

    stop_everything(by="owner")
    for listener in listeners:
        listener.join(timeout=PATIENCE_S)

    assert not any(listener.is_alive() for listener in listeners)
    ends = (b"STOPPED", b"SWITCH_SET")  # whichever was looked at first: a stop is both
    assert {
        listener.got[-300:] for listener in listeners if not any(end in listener.got for end in ends)
    } == set()
    until(settled)
    assert set(Call.objects.values_list("status", flat=True)) == {"lost"}
    assert all(call.cost_microusd == call.bound_microusd for call in Call.objects.all())
    until(lambda: faults.totals()["open_now"] == 0)
    again = run.post("/v1/chat/completions", **{**ASK, "stream": False})
    assert again.json()["error"]["code"] == "STOPPED"


def test_when_the_engine_hangs_up_on_a_stream_so_do_we_and_the_bound_is_booked(
    begin: Begin, faults: Faults
) -> None:
    faults.always(SLOW)
    run = begin()

    with httpx.stream(
        "POST", f"{run.site}/v1/chat/completions", json=ASK, headers=run.headers, timeout=60, verify=trusted()
    ) as answer:
        assert next(answer.iter_raw())

    assert_lost(faults)


def test_when_the_engine_hangs_up_before_the_answer_so_do_we(begin: Begin, faults: Faults) -> None:
    faults.always(Play(fault="silence", times=None))
    run = begin()
    engine = http.client.HTTPConnection(run.site.removeprefix("http://"))
    engine.request("POST", "/v1/chat/completions", json.dumps({**ASK, "stream": False}), run.headers)

    until(lambda: faults.totals()["open_now"] == 1)
    engine.close()

    assert_lost(faults)


def assert_lost(faults: Faults) -> None:
    """Nobody listens at either end, and the call is booked at its bound."""
    until(settled)
    until(lambda: faults.totals()["open_now"] == 0)
    call = Call.objects.get()
    assert (call.status, call.cost_microusd) == ("lost", call.bound_microusd)


def test_when_the_assignment_ends_its_open_streams_end(begin: Begin, faults: Faults) -> None:
    faults.always(SLOW)
    run = begin()
    listener = Listener(run)
    listener.start()
    until(lambda: listener.got)

    revoke_tokens(run.assignment.id)
    listener.join(timeout=PATIENCE_S)

    assert b"TOKEN_ENDED" in listener.got
    until(settled)


@pytest.mark.parametrize(("kind", "ref"), [("team", "build"), ("model", "openai/gpt-5-mini")])
def test_a_switch_cuts_the_open_streams_it_means_and_refuses_the_next(
    begin: Begin, faults: Faults, kind: str, ref: str
) -> None:
    faults.always(SLOW)
    agent = an_agent(front={"team": "build"})
    Scope.objects.filter(pk=agent.scope_id).update(
        parent=open_scope(kind="team", ref="build", label="Build team")
    )
    run = begin(agent=agent, assignment=an_assignment(agent))
    listener = Listener(run)
    listener.start()
    until(lambda: listener.got)

    set_switch(kind, ref, by="owner", reason="it looks wrong")
    listener.join(timeout=PATIENCE_S)

    assert b"SWITCH_SET" in listener.got
    until(settled)
    again = run.post("/v1/chat/completions", **{**ASK, "stream": False})
    assert (again.status_code, again.json()["error"]["code"]) == (400, "SWITCH_SET")


def test_a_stream_that_breaks_is_told_as_an_error_and_booked_at_its_bound(
    begin: Begin, faults: Faults
) -> None:
    breaks = ["reset", "cut", "malformed", "error_event"]
    faults.plan(*(Play(text="one two three four five six", fault=fault, chunk_s=0.01) for fault in breaks))
    run = begin()

    answers = [run.post("/v1/chat/completions", **ASK) for _ in breaks]

    assert [answer.status_code for answer in answers] == [200] * len(breaks)
    assert all('"error"' in "".join(answer.text.splitlines()[-2:]) for answer in answers)
    until(settled)
    assert {(call.status, call.cost_microusd == call.bound_microusd) for call in Call.objects.all()} == {
        ("lost", True)
    }


def test_a_key_of_any_shape_that_is_repeated_inside_an_answer_reaches_neither_the_engine_nor_a_row(
    begin: Begin, faults: Faults, settings: Any
) -> None:
    key = "Zq8Lk2Vt0Xb7Nw5Pf3Hj9Rm1Yc6Ds4Ga"
    settings.MODEL_KEYS = dict.fromkeys(settings.MODEL_KEYS, key)
    faults.plan(Play(text=f"one two three four five no: {key}", fault="error_event", chunk_s=0.01))

    answer = begin().post("/v1/chat/completions", **ASK)

    until(settled)
    told = answer.text + "".join(Call.objects.values_list("words", flat=True))
    assert "no: ***" in told
    assert key not in told


def test_what_fails_before_a_byte_is_out_is_tried_again_under_a_hold_of_its_own(
    begin: Begin, faults: Faults
) -> None:
    faults.plan(Play(status=500))
    run = begin()

    answer = run.post("/v1/chat/completions", **ASK)

    assert answer.status_code == 200
    assert sorted(Call.objects.values_list("status", flat=True)) == ["answered", "failed"]
    assert sorted(Hold.objects.values_list("state", flat=True)) == ["captured", "released"]


@pytest.mark.parametrize(
    ("play", "status", "code"),
    [
        (Play(status=400), 400, "PROVIDER_FAULT"),
        (Play(status=401, times=None), 503, "ALL_PROVIDERS_DOWN"),
        (Play(status=500, times=None), 503, "ALL_PROVIDERS_DOWN"),
        (Play(status=429, retry_after="0", times=None), 429, "RATE_LIMITED"),
    ],
)
def test_what_the_provider_refuses_is_told_once_and_costs_nothing(
    begin: Begin, faults: Faults, play: Play, status: int, code: str
) -> None:
    faults.always(play)

    answer = begin().post("/v1/chat/completions", **ASK)

    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.headers["x-should-retry"] == "false"
    assert set(Hold.objects.values_list("state", flat=True)) == {"released"}


def test_an_answer_that_never_ends_is_cut_when_no_more_can_be_held_and_the_provider_is_not_stopped(
    begin: Begin, faults: Faults
) -> None:
    faults.always(Play(text="word " * 4_000, chunks=4_000, chunk_s=0.001, times=None))
    run = begin(cap_microusd=2_000)
    listener = Listener(run)

    listener.start()
    listener.join(timeout=PATIENCE_S)

    assert b"BUDGET_EXCEEDED" in listener.got
    until(settled)
    call = Call.objects.get()
    assert (call.status, call.cost_microusd) == ("lost", call.bound_microusd)
    assert call.bound_microusd <= 2_000
    assert call.model.provider.is_enabled
    until(lambda: faults.totals()["open_now"] == 0)


def test_an_answer_that_is_longer_than_thought_goes_on_while_more_can_be_held(
    begin: Begin, faults: Faults
) -> None:
    faults.always(Play(text="word " * 400, chunks=100, chunk_s=0.001, times=None))
    run = begin(cap_microusd=DOLLAR)

    listener = Listener(run)
    listener.start()
    listener.join(timeout=PATIENCE_S)

    until(settled)
    assert listener.got.count(b"word") == 400
    assert (Call.objects.get().status, Call.objects.get().model.provider.is_enabled) == ("answered", True)


def test_who_asked_to_wait_gets_fewer_answers_at_once_through_the_door_too(
    begin: Begin, faults: Faults
) -> None:
    faults.plan(*[Play(status=429, retry_after="0", times=3)])
    run = begin()
    run.post("/v1/chat/completions", **{**ASK, "stream": False})
    health.forget()
    faults.reset()
    faults.always(Play(text="word " * 10, chunks=10, chunk_s=0.05, times=None))

    listeners = [Listener(run) for _ in range(6)]
    for listener in listeners:
        listener.start()
    for listener in listeners:
        listener.join(timeout=PATIENCE_S)

    assert faults.totals()["most_open"] <= 4
    assert all(b"[DONE]" in listener.got or b"RATE_LIMITED" in listener.got for listener in listeners)
