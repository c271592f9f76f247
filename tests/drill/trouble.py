"""Trouble other than death: lost and doubled messages, a full disk, a taken port, a locked database, wrong clocks."""

import os
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import psycopg
import redis

from tests.flows.stack import Stack

QUEUES = ("cloud", "build", "control", "notify")
THIEVES = 64


@contextmanager
def again_and_again(step: Callable[[], object], *, every_s: float) -> Iterator[None]:
    """Do something every now and then while the block runs; a broken connection is part of the trouble."""
    over = threading.Event()

    def run() -> None:
        while not over.wait(every_s):
            with suppress(redis.RedisError):
                step()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def all_messages_lost(url: str) -> Iterator[list[str]]:
    """Take every message before a worker hears it, and flush Redis five times a second; give what was taken.

    Whoever waits longest is served first, so thieves wait in greater number than workers.
    """
    taken: list[str] = []

    def steal() -> None:
        if found := broker.brpop(QUEUES, timeout=1):
            taken.append(found[0].decode())

    with redis.Redis.from_url(url) as broker, ExitStack() as ends:
        for step, every_s in ((broker.flushall, 0.2), *[(steal, 0.0)] * THIEVES):
            ends.enter_context(again_and_again(step, every_s=every_s))
        yield taken


@contextmanager
def all_messages_doubled(url: str) -> Iterator[set[str]]:
    """Send every message once more as soon as it was sent; give what was sent twice."""
    ours: set[str] = set()

    def hear() -> None:
        with redis.Redis.from_url(url) as broker, broker.monitor() as ears:
            began.set()
            for heard in ears.listen():
                verb, _, rest = heard["command"].partition(" ")
                queue, _, message = rest.partition(" ")
                if verb == "ECHO":
                    return
                if verb == "LPUSH" and queue in QUEUES and message not in ours:
                    ours.add(message)
                    broker.lpush(queue, message)

    began, thread = threading.Event(), threading.Thread(target=hear)
    thread.start()
    began.wait()
    try:
        yield ours
    finally:
        with redis.Redis.from_url(url) as broker:
            broker.echo("over")
        thread.join()


@contextmanager
def small_disk(place: Path, *, megabytes: int) -> Iterator[bool]:
    """Give a folder a disk of its own, so that it can be filled; say whether this machine allows it."""
    place.mkdir(parents=True, exist_ok=True)
    made = subprocess.run(  # noqa: S603
        ["/bin/mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "drill", str(place)],
        check=False,
        capture_output=True,
    )
    try:
        yield made.returncode == 0
    finally:
        if made.returncode == 0:
            subprocess.run(["/bin/umount", "-l", str(place)], check=False)  # noqa: S603


def fill_disk(place: Path, *, seconds: float) -> None:
    """Leave no byte free for a while."""
    filler = place / "filler"
    try:
        with filler.open("wb", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                with suppress(OSError):
                    while True:
                        file.write(b"x" * size)
        time.sleep(seconds)
    finally:
        filler.unlink()


def lock_database(stack: Stack, *, seconds: float) -> None:
    """Let nobody write for a while."""
    if stack.profile == "full":
        with psycopg.connect(stack.environment["FACTORY_DATABASE_URL"]) as database:
            database.execute("LOCK TABLE work_task IN ACCESS EXCLUSIVE MODE")
            time.sleep(seconds)
        return
    with closing(sqlite3.connect(stack.home / "db.sqlite3", timeout=60, isolation_level=None)) as rows:
        rows.execute("BEGIN IMMEDIATE")
        time.sleep(seconds)
        rows.execute("ROLLBACK")


def second_door(stack: Stack) -> str:
    """Start a second factory on the port of the first; return what it said when it refused."""
    verb = "web" if stack.profile == "full" else "run"
    done = stack.cli(verb, "--port", str(stack.port))
    assert done.code != 0, "two factories share a port"
    assert "Traceback" not in done.sentence, done.sentence
    assert f"Port {stack.port} is taken" in done.sentence, done.sentence
    return done.sentence


def stand_still(pids: set[int]) -> None:
    """Stop processes where they are, as on a host that is cut off."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, 19)


def go_on(pids: set[int]) -> None:
    """Let processes that stood still go on, with whatever they held in their hands."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, 18)
