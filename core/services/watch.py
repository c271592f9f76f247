"""Is the factory there? Asked from outside of it, by a process of its own, without any model. Source: R-08.21."""

import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.db import connection
from django.utils import timezone

from core.errors import NoticeRefused
from core.models import DueChore, Process
from core.ports import Notices
from core.registry import chores

LOOK_S: Final = 30.0
MISSES: Final = 3
ANSWER_S: Final = 10.0
FRESH: Final = timedelta(seconds=30)
"""Whoever lives says so every 20 seconds."""
FULL_SHARE: Final = 0.95
KEPT: Final = 100
"""How many notices wait for a channel that is down; the oldest goes first."""

NOTICES: Final = "notices"
"""The last question is of the watcher itself: are its notices taken?"""

Ask = Callable[[], str]
"""Returns what is wrong, in words; empty: nothing. An error is wrong too."""


class Watch:
    """Asks, counts what misses in a row, and tells once when it is enough and once when it is over."""

    def __init__(self, asks: Mapping[str, Ask], *, channels: Mapping[str, Notices], host: str) -> None:
        self._asks, self._channels, self._host = asks, channels, host
        self._misses, self._told = dict.fromkeys((*asks, NOTICES), 0), set[str]()
        self._waiting: list[tuple[str, str]] = []
        self._pool = ThreadPoolExecutor(max_workers=len(asks), thread_name_prefix="watch")
        self._running: dict[str, Future[str]] = {}

    def look(self) -> Mapping[str, str]:
        """Ask everything once, tell what is news, and return what is wrong by its name."""
        wrong = {**self._ask(), **self._kept_back()}
        for name in self._misses:
            self._misses[name] = self._misses[name] + 1 if name in wrong else 0
            if self._misses[name] == MISSES:
                self._told.add(name)
                self._put(f"{name}: {wrong[name]}")
            elif name in self._told and name not in wrong:
                self._told.discard(name)
                self._put(f"{name}: all is well again.")
        self._send()
        return wrong

    def _ask(self) -> dict[str, str]:
        """A question that hangs is a miss, and is not asked again before it has ended."""
        for name, ask in self._asks.items():
            if name not in self._running or self._running[name].done():
                self._running[name] = self._pool.submit(_answer, ask)
        wait(self._running.values(), timeout=ANSWER_S)
        said = {
            name: found.result() if found.done() else "There was no answer."
            for name, found in self._running.items()
        }
        return {name: words for name, words in said.items() if words}

    def _put(self, words: str) -> None:
        text = f"{timezone.now():%Y-%m-%d %H:%M:%S} UTC, factory on {self._host}: {words}"
        self._waiting = [*self._waiting, *((name, text) for name in self._channels)][-KEPT:]

    def _send(self) -> None:
        """Tell what waits; what a channel does not take is told at the next look."""
        left = []
        for name, text in self._waiting:
            try:
                self._channels[name].tell(text)
            except (OSError, NoticeRefused):
                left.append((name, text))
        self._waiting = left

    def _kept_back(self) -> dict[str, str]:
        """A channel that takes nothing is told over the others."""
        late = sorted({name for name, _ in self._waiting})
        return {NOTICES: f"{', '.join(late)} takes none; {self.undelivered} wait."} if late else {}

    @property
    def undelivered(self) -> int:
        """How many notices wait for a channel to take them."""
        return len(self._waiting)


def _answer(ask: Ask) -> str:
    try:
        return ask()
    except Exception as error:  # noqa: BLE001 (whatever goes wrong in asking is what we look for)
        return f"{type(error).__name__}: {error}"[:200]
    finally:
        connection.close()


def asks() -> dict[str, Ask]:
    """Return what is asked: of the database, of who lives, of the clock, of the disk; in the full profile of the broker."""
    full = {"messages": _messages} if settings.IS_FULL else {}
    return {
        "database": _database,
        "pages": _pages,
        "workers": _workers,
        "clock": _clock,
        "disk": _disk,
        **full,
    }


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return ""


def _pages() -> str:
    is_served = _alive(Process.Kind.WEB, Process.Kind.FACTORYD)
    return "" if is_served else "Nobody serves the pages."


def _workers() -> str:
    works = _alive(Process.Kind.WORKER, Process.Kind.FACTORYD)
    return "" if works else "No worker is there: nothing is carried out."


def _alive(*kinds: str) -> bool:
    return Process.objects.filter(kind__in=kinds, seen_at__gt=timezone.now() - FRESH).exists()


def _clock() -> str:
    """What is due every few seconds was put off lately, whoever did it."""
    quick = [chore for chore in chores() if chore.every_s <= LOOK_S]
    rows = DueChore.objects.filter(name__in=[chore.name for chore in quick])
    is_kept = rows.filter(due_at__gt=timezone.now() - FRESH).exists()
    return "" if is_kept else "Nothing that is due is done: the ticker, or beat, stands still."


def _disk() -> str:
    room = shutil.disk_usage(settings.HOME)
    share = room.used / room.total
    return "" if share < FULL_SHARE else f"{share:.0%} of the disk is used: soon nothing can be written."


def _messages() -> str:
    from core.adapters.redis_ping import answers  # noqa: PLC0415 (the client is loaded where there is a Redis)

    return "" if answers() else "Redis does not answer; workers look by themselves, slower."
