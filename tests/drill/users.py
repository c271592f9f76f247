"""Users of a live product while the factory around it is being killed: they read, they report, they count."""

import itertools
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.flows.visitor import Visitor


@dataclass(frozen=True)
class Asked:
    """One request of one user, and how it ended.

    Attributes:
        number: of a report, never twice the same; 0: a page was read.
        at, took_s: machine time in seconds (monotonic).
        status: HTTP status; 0: no answer.
        error: why none came.
    """

    number: int
    at: float
    took_s: float
    status: int
    error: str = ""

    @property
    def is_good(self) -> bool:
        """Whether the user got what they came for."""
        return self.status == 200


class Users:
    """Two people at one product: one reads its first page, one reports to an address that counts reports."""

    def __init__(self, address: str, *, reports_to: str, pause_s: float = 0.05) -> None:
        self._address, self._reports_to, self._pause_s = address, reports_to, pause_s
        self._numbers = itertools.count(1)
        self._over = threading.Event()
        self.asked: list[Asked] = []

    @contextmanager
    def at_work(self) -> "Iterator[Users]":
        """Let them come and go until the block ends."""
        threads = [threading.Thread(target=self._come, args=(step,)) for step in (self._read, self._report)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._over.set()
            for thread in threads:
                thread.join()

    def _come(self, step: Callable[[], None]) -> None:
        while not self._over.wait(self._pause_s):
            step()

    def _read(self) -> None:
        self._ask(0, "GET", "/")

    def _report(self) -> None:
        number = next(self._numbers)
        self._ask(number, "POST", self._reports_to)

    def _ask(self, number: int, method: str, path: str) -> None:
        began = time.monotonic()
        form = {"duration": str(number)} if number else None
        status, error = 0, ""
        try:
            answer = httpx.request(method, self._address + path, data=form, timeout=30, trust_env=False)
            status = answer.status_code
        except httpx.TransportError as fault:
            error = f"{type(fault).__name__} {fault}"
        self.asked.append(Asked(number, began, time.monotonic() - began, status, error))

    @property
    def failed(self) -> list[Asked]:
        """Return the requests that did not end well."""
        return [one for one in self.asked if not one.is_good]

    def good_again_after(self, moment: float) -> float | None:
        """Return how many seconds after `moment` the next request that began then was answered well."""
        later = [one.at + one.took_s - moment for one in self.asked if one.at >= moment and one.is_good]
        return min(later, default=None)


def open_account(address: str, *, path: str) -> str:
    """Sign up at a product that expects reports, name one thing, and return the address it reports to."""
    with Visitor(address) as person:
        person.get("/signup/")
        person.sign_up()
        answer = person.submit(
            path, name="nightly"
        )  # the form that asks for a name, not the one that logs out
        assert answer.status_code in (200, 302), answer.text
        page = person.get(path).text
    token = page.partition("/ping/")[2][:32]
    assert len(token) == 32, page
    return f"/ping/{token}"


def written(database: Path, *, table: str) -> dict[int, int]:
    """Return how often each report stands in the product's own history."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as rows:
        words = [text for (text,) in rows.execute(f"SELECT what FROM {table}")]  # noqa: S608 (a name from our own plan)
    numbers = [int(text.rpartition("(")[2].removesuffix(" s)")) for text in words if text.endswith(" s)")]
    return {number: numbers.count(number) for number in set(numbers)}
