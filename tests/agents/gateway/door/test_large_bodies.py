"""A large body costs nobody else anything: a stranger's is not kept, and the rest is read beside the loop."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from django.test import AsyncClient

from agents.gateway.door import answers
from agents.gateway.door.asgi import DoorHandler
from agents.gateway.door.body import read_body
from agents.gateway.models import Call
from core.adapters.tls import trusted
from tests.agents.gateway.door.conftest import Begin
from tests.faults.client import Faults

PATH = "/v1/chat/completions"
PART = b" " * 64_000


def asked(words: int) -> dict[str, Any]:
    """Return a request of about so many words."""
    text = "word " * words
    return {
        "model": "gpt-5-mini",
        "max_completion_tokens": 9,
        "messages": [{"role": "user", "content": text}],
    }


@pytest.fixture
def readers(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, bool]]:
    """How large each body was that was read, and whether that was on the loop."""
    seen: list[tuple[int, bool]] = []

    def reading(raw: bytes) -> Any:
        seen.append((len(raw), asyncio._get_running_loop() is not None))
        return read_body(raw)

    monkeypatch.setattr(answers, "read_body", reading)
    return seen


def test_a_strangers_large_body_is_not_read(
    begin: Begin, faults: Faults, readers: list[tuple[int, bool]]
) -> None:
    site = begin().site

    refused = [
        httpx.post(site + PATH, json=asked(words), headers={"authorization": "Bearer nobody"}, timeout=60, verify=trusted())
        for words in (100_000, 1_000)
    ]  # fmt: skip

    assert [(answer.status_code, answer.json()["error"]["code"]) for answer in refused] == [
        (400, "TOKEN_ENDED")
    ] * 2
    assert [size < 10_000 for size, _ in readers] == [True]
    assert not Call.objects.exists()


def test_a_large_body_of_somebody_is_read_beside_the_loop_and_a_small_one_on_it(
    begin: Begin, faults: Faults, readers: list[tuple[int, bool]]
) -> None:
    run = begin()

    answered = [run.post(PATH, **asked(words)) for words in (100_000, 1_000)]

    assert [answer.status_code for answer in answered] == [200, 200], answered[0].text
    assert [is_on_loop for _, is_on_loop in readers] == [False, True]
    assert faults.bodies()[0]["body"]["messages"] == asked(100_000)["messages"]


def test_of_a_strangers_body_no_more_is_kept_than_shows_that_it_is_large(
    begin: Begin, faults: Faults
) -> None:
    begin()
    kept: list[int] = []
    sent: list[dict[str, Any]] = []

    class Parts(bytes):
        """A part that says when it is forgotten."""

        def __del__(self) -> None:
            kept.append(-1)

    def parts() -> Iterator[dict[str, Any]]:
        for n in range(100):
            assert n + sum(kept) <= 6  # those of the first 256 kB, and the one at hand
            yield {"type": "http.request", "body": Parts(PART), "more_body": n < 99}
        while True:
            yield {"type": "never"}

    source = parts()

    async def receive() -> dict[str, Any]:
        message = next(source)
        if message["type"] == "never":
            await asyncio.Event().wait()
        return message

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": PATH, "headers": [(b"x-api-key", b"nobody")]}
    asyncio.run(DoorHandler()(scope, receive, send))

    assert json.loads(sent[1]["body"])["error"]["code"] == "TOKEN_ENDED"


@pytest.mark.parametrize("path", ["/v1/images/generations", "/v1/models"])
def test_a_body_that_no_view_reads_is_kept_nowhere(
    begin: Begin, faults: Faults, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    begin()
    sent: list[dict[str, Any]] = []
    left = 100

    async def keeps(*_: Any) -> None:
        raise AssertionError("it was kept")

    async def receive() -> dict[str, Any]:
        nonlocal left
        left -= 1
        if left < 0:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": PART, "more_body": left > 0}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    monkeypatch.setattr(DoorHandler, "read_body", keeps)
    scope = {"type": "http", "method": "POST", "path": path, "headers": [], "query_string": b""}
    asyncio.run(DoorHandler()(scope, receive, send))

    assert sent[0]["status"] in (400, 405)


def test_by_the_url_table_a_strangers_large_body_is_refused_alike(
    begin: Begin, faults: Faults, readers: list[tuple[int, bool]]
) -> None:
    token = begin().token

    async def ask(secret: str) -> Any:
        headers = {"authorization": f"Bearer {secret}"}
        return await AsyncClient().post(
            PATH, asked(100_000), content_type="application/json", headers=headers
        )

    refused, served = asyncio.run(ask("nobody")), asyncio.run(ask(token))

    assert refused.json()["error"]["code"] == "TOKEN_ENDED"
    assert served.status_code == 200
    assert [is_on_loop for _, is_on_loop in readers] == [False]
