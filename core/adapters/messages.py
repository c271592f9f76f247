"""Sends wake-up calls to other processes, from a thread of its own: whoever rings never waits for the broker."""

import atexit
import logging
import os
import threading
import time
from collections.abc import Iterable

from kombu import Connection
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from core.adapters.broker import app, redis_of

logger = logging.getLogger(__name__)

GAP_S = 0.01
"""Calls for one queue within this time become one."""
LOOK_S = 2.0
"""How often a silent broker is asked whether it is there."""
ENOUGH = 8
"""More calls than this waiting in a queue would wake nobody who is not called already."""
EXPIRE_S = 30
FLUSH_S = 1.0
BROKEN = (OSError, KombuError, RedisError)
TASKS = {"relay": ("core.relay", "control"), "gpu": ("core.carry_out_on_node", "gpu")}
"""What is called by which name, and in which queue; all others are queues whose work is carried out."""


class Messenger:
    """Carries calls to the broker, and knows whether the broker is there; nothing depends on that. Source: R-08.22."""

    def __init__(self) -> None:
        self.is_deaf = False
        self._change = threading.Condition()
        self._wanted: set[str] = set()
        self._sending: set[str] = set()
        self._thread: threading.Thread | None = None

    def carry(self, names: Iterable[str]) -> None:
        """Send these calls soon; returns at once. While the broker is away they wait."""
        with self._change:
            self._wanted.update(names)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="messenger", daemon=True)
                self._thread.start()
            self._change.notify_all()

    def flush(self, *, at_most_s: float) -> bool:
        """Wait until everything was sent; say whether it was."""
        with self._change:
            return self._change.wait_for(lambda: not self._wanted | self._sending, timeout=at_most_s)

    def _run(self) -> None:
        while True:
            try:
                with app.connection_for_write() as connection:
                    self._serve(connection)
            except BROKEN as error:
                if not self.is_deaf:
                    logger.warning("wake.broker_lost", extra={"error": str(error)})
                self.is_deaf = True
            time.sleep(LOOK_S)

    def _serve(self, connection: Connection) -> None:
        """Send what is wanted over one connection until it breaks."""
        while True:
            with self._change:
                self._change.wait_for(lambda: self._wanted, timeout=LOOK_S)
                self._sending, self._wanted = self._wanted, set()
            try:
                redis_of(connection).ping()
                for name in sorted(self._sending):
                    _send(name, connection=connection)
            except BROKEN:
                self._wanted |= self._sending
                raise
            self.is_deaf = False
            with self._change:
                self._sending = set()
                self._change.notify_all()
            time.sleep(GAP_S)


def _send(name: str, *, connection: Connection) -> None:
    task, queue = TASKS.get(name, ("core.run", name))
    if redis_of(connection).llen(queue) < ENOUGH:
        app.send_task(
            task,
            args=[queue] if task == "core.run" else [],
            queue=queue,
            connection=connection,
            retry=False,
            expires=EXPIRE_S,
        )


def _renew() -> None:
    global messenger
    messenger = Messenger()


messenger = Messenger()
os.register_at_fork(after_in_child=_renew)
atexit.register(lambda: messenger.flush(at_most_s=FLUSH_S))
