"""Answers of an odd shape, broken in the middle or after their end: the bill is settled, and whoever asked hears how it ended."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from agents.gateway.adapters.openai import OpenAIEar
from agents.gateway.door import exchange, speech
from agents.gateway.models import Call, Provider
from agents.gateway.services.catalogue import forget
from billing.models import Entry, Hold
from core.adapters.tls import trusted
from tests.agents.gateway.door.conftest import Begin
from tests.agents.gateway.door.test_streams import settled, until
from tests.agents.gateway.door.test_translating import openai_of
from tests.faults.client import Faults

Json = dict[str, Any]
HELLO = [{"role": "user", "content": "Hi"}]
CHAT: Json = {"model": "gpt-5.2", "messages": HELLO, "max_completion_tokens": 100}
MESSAGES: Json = {"model": "claude-haiku-4-5", "messages": HELLO, "max_tokens": 100}
ASKS = {"/v1/chat/completions": CHAT, "/v1/messages": MESSAGES}
USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


class Teller:
    """A provider that says word for word what it was given: `parts`, each sent at once; a number is a pause in seconds."""

    def __init__(self) -> None:
        self.url, self.parts = "", list[bytes | float]()

    def tell(self, *parts: bytes | float) -> None:
        """Answer the next requests like this."""
        self.parts = list(parts)


@contextmanager
def a_teller() -> Iterator[Teller]:
    """Serve one on a free port."""
    teller = Teller()

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

        def do_POST(self) -> None:
            """Take in what comes, and tell."""
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            self.close_connection = True
            self.send_response(200)
            self.send_header(
                "content-type", "text/event-stream" if asked.get("stream") else "application/json"
            )
            self.send_header("connection", "close")
            self.end_headers()
            for part in teller.parts:
                if isinstance(part, bytes):
                    self.wfile.write(part)
                    self.wfile.flush()
                else:
                    time.sleep(part)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    server.daemon_threads = True
    teller.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield teller
    server.shutdown()
    server.server_close()


@pytest.fixture
def teller(faults: Faults) -> Iterator[Teller]:
    """The provider behind the door tells what it is given."""
    with a_teller() as told:
        Provider.objects.update(base_url=told.url)
        forget()
        yield told
    forget()


def data(event: Json) -> bytes:
    """Return one event without a name."""
    return b"data: " + json.dumps(event).encode() + b"\n\n"


def named(event: Json) -> bytes:
    """Return one event with its name."""
    return f"event: {event['type']}\n".encode() + data(event)


def chunk(delta: Json, finish: str | None = None, *, index: int = 0, **more: Any) -> bytes:
    """Return a chunk of a chat."""
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return data(
        {"id": "x", "object": "chat.completion.chunk", "model": "gpt-5.2", "choices": [choice], **more}
    )


DONE = b"data: [DONE]\n\n"
USED = data({"id": "x", "model": "gpt-5.2", "choices": [], "usage": USAGE})
WHOLE_CHAT = {
    "id": "x", "object": "chat.completion", "created": 1, "model": "gpt-5.2", "usage": USAGE,
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
}  # fmt: skip
WHOLE_MESSAGE = {
    "id": "m", "type": "message", "role": "assistant", "model": "claude-haiku-4-5", "stop_reason": "end_turn",
    "content": [{"type": "text", "text": "Hi"}], "usage": {"input_tokens": "12", "output_tokens": 3},
}  # fmt: skip


def assert_booked_once_at_its_bound() -> None:
    """Nothing is open, and the one call stands in the books once, at the most that it can have cost."""
    until(settled)
    call = Call.objects.get()
    assert (call.status, call.cost_microusd) == ("lost", call.bound_microusd)
    assert list(Entry.objects.values_list("ref", flat=True)) == [f"call:{call.id}"]
    assert Hold.objects.get().state == Hold.State.EXPIRED


@pytest.mark.parametrize("problem", [TypeError, RuntimeError])
@pytest.mark.parametrize("when", ["hear", "said"])
@pytest.mark.parametrize("more", [{}, {"stream": True}], ids=["whole", "streamed"])
def test_whatever_breaks_while_an_answer_is_heard_or_its_bill_read_is_booked_at_its_bound(
    begin: Begin, teller: Teller, monkeypatch: pytest.MonkeyPatch, problem: type[Exception], when: str, more: Json
) -> None:  # fmt: skip
    def breaks(*_: Any) -> Any:
        raise problem("nobody foresaw this")

    ear = type("BrokenEar", (OpenAIEar,), {when: breaks})
    monkeypatch.setattr(speech, "ear_for", lambda _: ear())
    teller.tell(
        *([chunk({"content": "Hi"}, "stop"), USED, DONE] if more else [json.dumps(WHOLE_CHAT).encode()])
    )

    answer = begin().post("/v1/chat/completions", **CHAT, **more)

    assert_booked_once_at_its_bound()
    error = answer.json()["error"]
    assert error["code"] == ("ALL_PROVIDERS_DOWN" if problem is TypeError else "DOOR_BROKE")
    assert Call.objects.get().fault == "garbled"


def test_a_bill_that_breaks_the_books_is_booked_at_its_bound(
    begin: Begin, teller: Teller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: Any) -> Any:
        raise TypeError

    monkeypatch.setattr(exchange, "close_answered", breaks)
    teller.tell(json.dumps(WHOLE_CHAT).encode())

    answer = begin().post("/v1/chat/completions", **CHAT)

    assert_booked_once_at_its_bound()
    assert answer.json()["error"]["code"] == "DOOR_BROKE"


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("/v1/messages", [json.dumps(WHOLE_MESSAGE).encode()]),
        ("/v1/messages", [json.dumps({**WHOLE_MESSAGE, "model": ["a"]}).encode()]),
        ("/v1/chat/completions", [json.dumps({**WHOLE_CHAT, "model": 5, "usage": None}).encode()]),
    ],
)
def test_an_answer_whose_bill_has_another_shape_holds_no_money_afterwards(
    begin: Begin, teller: Teller, path: str, parts: list[bytes]
) -> None:
    teller.tell(*parts)

    begin().post(path, **ASKS[path])

    assert_booked_once_at_its_bound()


def test_text_that_comes_as_a_list_holds_no_money_afterwards(begin: Begin, teller: Teller) -> None:
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    teller.tell(
        chunk({"role": "assistant", "content": [thinking]}),
        chunk({"content": "Hi"}),
        chunk({}, "stop"),
        USED,
        DONE,
    )

    begin().post("/v1/chat/completions", **CHAT, stream=True)

    until(settled)
    assert Call.objects.get().status in ("lost", "answered")


def test_who_hangs_up_after_the_end_of_an_answer_whose_bill_nobody_can_read_leaves_no_hold(
    begin: Begin, teller: Teller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*_: Any) -> Any:
        raise RuntimeError

    ear = type("BrokenEar", (OpenAIEar,), {"said": breaks})
    monkeypatch.setattr(speech, "ear_for", lambda _: ear())
    teller.tell(chunk({"content": "Hi"}), 0.3, chunk({}, "stop"), 20.0)
    run = begin()

    with httpx.stream(
        "POST", f"{run.site}/v1/chat/completions", json={**CHAT, "stream": True}, headers=run.headers, timeout=60,
        verify=trusted(),
    ) as answer:  # fmt: skip
        parts = answer.iter_raw()
        assert b"Hi" in next(parts)
        time.sleep(0.6)

    assert_booked_once_at_its_bound()


TWO = {**CHAT, "n": 2, "stream": True}


def test_the_end_of_one_choice_is_not_the_end_of_all(begin: Begin, teller: Teller) -> None:
    first = [chunk({"content": "A"}), chunk({"content": "B"}, index=1), chunk({}, "stop")]
    teller.tell(*first, 0.2, chunk({"content": "half an ans"}, index=1))

    answer = begin().post("/v1/chat/completions", **TWO)

    assert "half an ans" in answer.text
    assert json.loads(answer.text.strip().rpartition("data: ")[2])["error"]["code"] == "PROVIDER_FAULT"
    assert_booked_once_at_its_bound()


@pytest.mark.parametrize(
    "last",
    [[chunk({}, "stop", index=1), USED, DONE], [USED, DONE], [USED]],
    ids=["all", "fewer", "fewer, and no last word"],
)
def test_an_answer_is_whole_when_all_choices_ended_or_the_provider_says_so(
    begin: Begin, teller: Teller, last: list[bytes]
) -> None:
    teller.tell(chunk({"content": "A"}), chunk({}, "stop"), chunk({"content": "B"}, index=1), *last)

    answer = begin().post("/v1/chat/completions", **TWO)

    assert ("error" in answer.text, answer.content.endswith(DONE)) == (False, DONE in last)
    assert Call.objects.get().status == "answered"


@pytest.mark.parametrize("choices", [1, 2])
def test_what_comes_after_the_end_of_a_choice_is_measured_too(
    begin: Begin, teller: Teller, choices: int
) -> None:
    more = [chunk({"content": "x" * 1_000}, index=choices - 1) for _ in range(300)]
    teller.tell(chunk({"content": "A"}), chunk({}, "stop"), 0.2, *more, chunk({}, "stop", index=1), DONE)

    answer = begin(cap_microusd=4_000).post("/v1/chat/completions", **{**TWO, "n": choices})

    assert "BUDGET_EXCEEDED" in answer.text
    assert len(answer.text) < 100_000
    assert_booked_once_at_its_bound()


GARBAGE = b"<html>Bad gateway</html>\n"
HI = chunk({"content": "Hi"})


@pytest.mark.parametrize("broken", [GARBAGE, b"data: {oops\n\n", b'data: {"usa'])
def test_what_breaks_after_the_end_takes_nothing_of_the_answer_away(
    begin: Begin, teller: Teller, broken: bytes
) -> None:
    teller.tell(HI, 0.2, chunk({"content": " there"}) + chunk({}, "stop") + USED + broken)

    answer = begin().post("/v1/chat/completions", **CHAT, stream=True, stream_options={"include_usage": True})

    assert answer.content.startswith(HI + chunk({"content": " there"}) + chunk({}, "stop") + USED)
    assert "error" not in answer.text
    assert Call.objects.get().status == "answered"


def test_what_breaks_after_the_end_is_no_loss_in_another_protocol_either(
    begin: Begin, teller: Teller
) -> None:
    teller.tell(HI, 0.2, chunk({"content": " there"}) + chunk({}, "stop") + USED + GARBAGE)

    answer = begin().post("/v1/messages", **{**MESSAGES, "model": "gpt-5.2"}, stream=True)

    assert " there" in answer.text
    assert '"type":"message_stop"' in answer.text
    assert Call.objects.get().status == "answered"


def test_what_was_heard_before_a_fault_in_the_same_read_goes_on_before_it(
    begin: Begin, teller: Teller
) -> None:
    start = {"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant", "model": "claude-haiku-4-5", "content": [], "usage": {"input_tokens": 3, "output_tokens": 1}}}  # fmt: skip
    block = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    said = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}}
    teller.tell(
        named(start), 0.2, named(block) + named(said) + b"event: content_block_delta\ndata: {oops\n\n"
    )

    answer = begin().post("/v1/messages", **MESSAGES, stream=True)

    assert answer.content.startswith(named(start) + named(block) + named(said))
    assert [line for line in answer.text.splitlines() if line.startswith("event:")][-1] == "event: error"
    assert "event: content_block_delta\n\n" not in answer.text
    assert_booked_once_at_its_bound()


CREATED = {
    "type": "response.created",
    "sequence_number": 0,
    "response": {"id": "resp_1", "object": "response", "model": "gpt-5.2"},
}
DELTA = {"type": "response.output_text.delta", "sequence_number": 1, "delta": "Hel", "item_id": "i", "output_index": 0, "content_index": 0, "logprobs": []}  # fmt: skip


@pytest.mark.parametrize(
    ("model", "parts"),
    [
        ("gpt-5.2", [named(CREATED), named(DELTA), 0.2]),
        ("gpt-5.2", [named(CREATED), named(DELTA), b"event: response.output_text.delta\n", 0.2]),
        ("gpt-5.2", [named({**DELTA, "sequence_number": 0}), 0.2]),
        ("claude-haiku-4-5", [named({"type": "message_start", "message": {"model": "claude-haiku-4-5"}}), named({"type": "content_block_start", "index": 0, "content_block": {"type": "text"}}), named({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hel"}}), 0.2]),
    ],
    ids=["passed on", "in the middle of an event", "not begun", "translated"],
)  # fmt: skip
def test_a_response_that_breaks_off_ends_in_the_event_after_which_nobody_asks_again(
    begin: Begin, teller: Teller, model: str, parts: list[bytes | float]
) -> None:
    from openai.types.responses import ResponseFailedEvent  # noqa: PLC0415 (a second)

    teller.tell(*parts)
    client = openai_of(begin())

    events = list(client.responses.create(model=model, input="Hi", max_output_tokens=100, stream=True))

    failed = ResponseFailedEvent.model_validate(events[-1].model_dump())
    assert failed.sequence_number == events[-2].sequence_number + 1
    assert failed.response.status == "failed"
    assert failed.response.error
    assert failed.response.error.code == "invalid_prompt"
    assert failed.response.error.message.startswith("PROVIDER_FAULT: ")
    assert getattr(events[0], "response", failed.response).id == failed.response.id
    assert_booked_once_at_its_bound()


def test_a_maker_that_asks_to_wait_inside_a_response_is_heard_as_one(begin: Begin, teller: Teller) -> None:
    error = {"code": "rate_limit_exceeded", "message": "Please try again in 11s."}
    response = {"id": "resp_1", "object": "response", "model": "gpt-5.2", "status": "failed", "error": error}
    teller.tell(named(CREATED), 0.2, named({"type": "response.failed", "response": response}))

    answer = begin().post("/v1/responses", model="gpt-5.2", input="Hi", max_output_tokens=100, stream=True)

    failed = json.loads(answer.text.strip().rpartition("data: ")[2])
    told = failed["response"]["error"]
    assert (failed["type"], told["code"]) == ("response.failed", "rate_limit_exceeded")
    assert "try again in 11s" in told["message"]
