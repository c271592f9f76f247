"""Whoever looks after open answers is always there while one is open."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from agents.gateway.door import watch
from agents.gateway.errors import Stopped
from core.errors import FactoryError

Opened = set["Answer"]


class Answer:
    """An open answer, as far as who watches it sees; `then` is done in the turn after its end."""

    plan = "any"

    def __init__(self, opened: Opened, *, then: Callable[[], None] | None = None) -> None:
        self.why: FactoryError | None = None
        self._opened, self._then = opened, then
        opened.add(self)
        watch.keep_watch()

    def cut(self, why: FactoryError) -> None:
        """Be cut."""
        self.why = why
        self._opened.discard(self)
        if self._then is not None:
            asyncio.get_running_loop().call_soon(self._then)

    async def end(self) -> None:
        """Wait until it is cut."""
        while self.why is None:
            await asyncio.sleep(0.001)


@pytest.fixture
def troubles(monkeypatch: pytest.MonkeyPatch) -> list[Exception]:
    """Look all the time; return what the next looks raise: without it every answer must end."""
    planned: list[Exception] = []

    def ends(watched: list[Answer]) -> list[tuple[Answer, FactoryError]]:
        if planned:
            raise planned.pop(0)
        return [(answer, Stopped()) for answer in watched]

    monkeypatch.setattr(watch, "LOOK_S", 0)
    monkeypatch.setattr(watch, "_ends", ends)
    return planned


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, troubles: Any) -> Opened:
    """Return the open answers."""
    none: Opened = set()
    monkeypatch.setattr(watch, "open_exchanges", none)
    return none


def test_an_answer_that_opens_in_the_turn_in_which_the_watcher_ends_is_watched(opened: Opened) -> None:
    async def open_one_at_the_end() -> None:
        later: list[Answer] = []
        Answer(opened, then=lambda: later.append(Answer(opened)))
        while not later:
            await asyncio.sleep(0.001)
        await asyncio.wait_for(later[0].end(), 5)

    asyncio.run(open_one_at_the_end())

    assert opened == set()


def test_a_look_that_fails_is_logged_and_the_next_one_sees(
    opened: Opened, troubles: list[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    troubles += [RuntimeError("nobody foresaw this"), ValueError("nor this")]

    async def open_one() -> None:
        await asyncio.wait_for(Answer(opened).end(), 5)

    asyncio.run(open_one())

    assert "nobody foresaw this" in caplog.text
    assert "nor this" in caplog.text
