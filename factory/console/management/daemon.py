"""factoryd: pages, relay, ticker and workers in one process."""

import fcntl
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TextIO

import uvicorn
from django.db import DatabaseError, close_old_connections, connection

from core.adapters import wake
from core.adapters.processes import process_name
from core.models import Process
from core.registry import QUEUES
from core.services import relay_waiting
from core.services.chores import do_due_chores
from core.services.processes import mark_gone, mark_seen
from factory.console.errors import HomeTaken
from factory.work.services import Loop

logger = logging.getLogger(__name__)
POLL_S = 1.0
ALIVE_S = 20.0
STOP_S = 15.0
LOCK = "factoryd.lock"
ENDS = (signal.SIGTERM, signal.SIGINT)


def forever(name: str, *, stop: threading.Event, step: Callable[[], bool]) -> threading.Thread:
    """Start a thread that does `step` again and again; while a step finds nothing to do it waits for the bell."""

    def run() -> None:
        seen = wake.rings()
        while not stop.is_set():
            close_old_connections()
            try:
                is_idle = not step()
            except Exception:
                logger.exception("factoryd.step_failed", extra={"loop": name})
                is_idle = True
            if is_idle:
                seen = wake.wait(since=seen, at_most_s=POLL_S)
        connection.close()

    thread = threading.Thread(target=run, name=name)
    thread.start()
    return thread


def claim_port(host: str, port: int) -> socket.socket:
    """Return a listening socket; a taken port raises OSError before anything else was started."""
    made = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.setsockopt(
        socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
    )  # who comes in inherits it: no answer waits 40 ms
    made.bind((host, port))
    made.listen(512)
    made.set_inheritable(True)
    return made


def claim_home(home: Path, *, is_shared: bool = False) -> TextIO:
    """Return the open lock of `home`, with our process number in it; it is ours until it is closed or we end.

    Args:
        home: the folder.
        is_shared: others that share may come in as well: they are parts of one factory on one database.

    Raises:
        HomeTaken: another factory runs there: two would take each other for dead.
    """
    lock = (home / LOCK).open("a+")
    try:
        fcntl.flock(lock, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise HomeTaken(process=(home / LOCK).read_text() or "unknown", home=home) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def serve(door: socket.socket, *, loop: Loop, ready: Callable[[], None], is_over: Callable[[], bool]) -> bool:
    """Serve the pages on `door` and work in threads beside them until SIGTERM or ctrl-C; then end both in order.

    Returns:
        Whether it was `is_over` that ended it: asked every second, a yes ends all as SIGTERM does.
    """
    stop, over = threading.Event(), threading.Event()

    def watch() -> bool:
        if not over.is_set() and is_over():
            over.set()
            os.kill(os.getpid(), signal.SIGTERM)
        return False

    helpers = [
        forever("relay", stop=stop, step=lambda: relay_waiting() > 0),
        forever("ticker", stop=stop, step=lambda: do_due_chores() > 0),
        forever("watch", stop=stop, step=watch),
    ]
    loop.start()
    ready()
    try:
        serve_pages(door, kind=Process.Kind.FACTORYD)
    finally:
        stop.set()
        loop.stop(at_most_s=STOP_S)
        for thread in helpers:
            thread.join(timeout=STOP_S)
    return over.is_set()


def serve_pages(door: socket.socket, *, kind: str) -> None:
    """Serve pages and sockets on `door` until SIGTERM or ctrl-C."""
    over = threading.Event()
    life = threading.Thread(target=say_alive, args=(kind, over), name="life")
    server = uvicorn.Server(
        uvicorn.Config(
            "factory.asgi:application",
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=5,
        )
    )
    life.start()
    try:
        with heard_by_server_alone():
            server.run(sockets=[door])
    finally:
        over.set()
        life.join(timeout=STOP_S)


def say_alive(kind: str, over: threading.Event) -> None:
    """Say every few seconds that this process lives, and at its end that it is gone."""
    name, queues = process_name(), QUEUES[:-1] if kind == Process.Kind.FACTORYD else ()
    step = partial(mark_seen, name, kind=kind, queues=queues)
    while not over.is_set():
        _quietly(step)
        over.wait(ALIVE_S)
    _quietly(partial(mark_gone, name))
    connection.close()


def _quietly(step: Callable[[], None]) -> None:
    close_old_connections()
    try:
        step()
    except DatabaseError:
        logger.warning("factoryd.not_seen", exc_info=True)


@contextmanager
def heard_by_server_alone() -> Iterator[None]:
    """Take the sting out of SIGTERM and ctrl-C: uvicorn raises them again at its end, before our workers have ended.

    Afterwards they sting again: who asks a second time does not want to wait.
    """
    before = {number: signal.signal(number, lambda *_: None) for number in ENDS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
