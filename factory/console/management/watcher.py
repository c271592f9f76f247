"""The watcher's process: beside a factory that runs as one command, or started by the host."""

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from django.conf import settings

from core.adapters.notices import NoticeFile, Webhook
from core.adapters.processes import is_dead, process_name
from core.ports import Notices
from core.services.watch import LOOK_S, MISSES, Watch, asks

BEGINS_S: Final = 20.0
"""A factory that ends sooner is not watched: it is a trial."""
ENDS_S: Final = 5.0


def the_watch() -> Watch:
    """Return the watch over this factory, with every channel that is set."""
    channels: dict[str, Notices] = {"file": NoticeFile(Path(settings.HOME) / "notices.log")}
    if settings.WATCH_WEBHOOK:
        channels["webhook"] = Webhook(settings.WATCH_WEBHOOK)
    return Watch(asks(), channels=channels, host=socket.gethostname())


def keep_watching(watch: Watch, *, of: str = "", look_s: float = LOOK_S) -> None:
    """Look again and again until SIGTERM; a watcher of one process ends when that is gone and its end was told."""
    over, looks_left = threading.Event(), MISSES + 1
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: over.set())
    while looks_left and not over.is_set():
        watch.look()
        looks_left -= bool(of) and is_dead(of)
        over.wait(look_s)


@contextmanager
def watched() -> Iterator[None]:
    """Let a watcher of its own look after this process once it has lived a little; an end in order ends it too."""
    over = threading.Event()
    keeper = threading.Thread(target=_keep_one, args=(over,), name="watched")
    keeper.start()
    try:
        yield
    finally:
        over.set()
        keeper.join(timeout=2 * ENDS_S)


def _keep_one(over: threading.Event) -> None:
    """Start the watcher again when it dies; it stays when we do, to tell that."""
    command = [
        sys.executable,
        str(settings.BASE_DIR / "manage.py"),
        "factory",
        "watch",
        "--of",
        process_name(),
    ]
    child = None
    while not over.wait(BEGINS_S):
        if child is None or child.poll() is not None:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603 (our own command)
    if child is not None:
        child.terminate()
        try:
            child.wait(timeout=ENDS_S)
        except subprocess.TimeoutExpired:
            child.kill()
