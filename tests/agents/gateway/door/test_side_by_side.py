"""Calls that are prepared at the same time: none waits for another to be counted, and nobody's end waits for a beginning."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from agents.gateway.door import plan, rows
from agents.gateway.door.body import read_body
from agents.gateway.door.plan import Way, plan_of
from agents.gateway.door.protocols import CHAT, read_wanted
from agents.gateway.services import routes
from agents.gateway.services.routes import Choice, routes_for
from tests.agents.gateway.door.conftest import Begin
from tests.builders import a_scope, an_ask
from tests.faults.client import Faults

ASKED = b'{"model": "gpt-5.2", "messages": [], "max_tokens": 50}'
TOGETHER_S = 10.0


def in_two_threads(
    monkeypatch: pytest.MonkeyPatch, home: Any, name: str, ways: list[Way] | list[Choice]
) -> list[int]:
    """Return the bounds of two ways whose counting ends only when both are being counted."""
    meet = threading.Barrier(2, timeout=TOGETHER_S)

    def counted(*_: object, **__: object) -> int:
        meet.wait()
        return 7

    monkeypatch.setattr(home, name, counted)
    bounds: list[int] = []
    threads = [
        threading.Thread(target=lambda way=way: bounds.append(way.route.bound_microusd)) for way in ways
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return bounds


def test_two_requests_at_the_door_are_counted_at_the_same_time(
    begin: Begin, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, wanted = begin(), read_wanted(CHAT, read_body(ASKED))
    ways = [plan_of(run.token, wanted).ways[0] for _ in range(2)]
    for way in ways:
        vars(way).pop("route", None)

    assert in_two_threads(monkeypatch, plan, "bound_of", ways) == [7, 7]


def test_two_requests_in_process_are_counted_at_the_same_time(
    faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = an_ask(scopes=(a_scope(life=1_000_000).id,), max_tokens=50)
    choices = [routes_for(ask)[0] for _ in range(2)]
    for choice in choices:
        vars(choice).pop("route", None)

    assert in_two_threads(monkeypatch, routes, "bound_of_body", choices) == [7, 7]


def test_bills_are_booked_and_stops_heard_while_every_beginning_waits_for_a_count(
    transactional_db: None,
) -> None:
    may_end = threading.Event()

    async def all_wait() -> str:
        waiting = [
            asyncio.ensure_future(rows.in_preparation(lambda: may_end.wait(TOGETHER_S)))
            for _ in range(2 * rows.THREADS)
        ]
        try:
            said: Callable[[], str] = lambda: "booked"  # noqa: E731
            return await asyncio.wait_for(rows.in_rows(said), TOGETHER_S / 2)
        finally:
            may_end.set()
            await asyncio.gather(*waiting)

    assert asyncio.run(all_wait()) == "booked"
