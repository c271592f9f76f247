"""What a worker process does: called by messages, and now and then on its own, for messages may be lost."""

import logging
import threading
import time
from collections.abc import Collection

from django.db import DatabaseError, close_old_connections, connections

from core.adapters import messages, wake
from core.adapters.processes import worker_name
from core.registry import Stop, run_queues
from core.services.chores import do_due_chores
from core.services.outbox import RELAY, relay_waiting

logger = logging.getLogger(__name__)

NET_S = 30.0
"""How often a worker looks by itself for what no message told it."""
POLL_S = 1.0
"""The same while no message can come."""
TURN_S = 20.0
"""For how long one message lets a worker begin new tasks before other messages have their turn."""
CONTROL = "control"


class Worker:
    """One process that carries out one task at a time.

    Args:
        queues: what it serves.
        leaving: says whether this process is to end; then what runs is asked to stop, which costs it no attempt.
    """

    def __init__(self, queues: Collection[str]) -> None:
        self.queues = tuple(queues)
        self.stop = Stop()
        self._turn = threading.Lock()

    def carry_out(self, queues: Collection[str], *, at_most_s: float = TURN_S) -> int:
        """Carry out what is ready in `queues`, in turn with whoever else calls; return how many tasks that were."""
        began = time.monotonic()
        with self._turn:
            close_old_connections()
            try:
                done = run_queues(queues, worker=worker_name(0), stop=self.stop, at_most_s=at_most_s)
            except DatabaseError:
                logger.exception("worker.database_failed", extra={"queues": list(queues)})
                connections.close_all()
                return 0
        if time.monotonic() - began > at_most_s and not self.stop.is_set():
            wake.ring(*queues)  # perhaps more is ready: whoever comes next goes on
        return done

    def do_chores(self) -> None:
        """Do what is due on the platform's own side: chores, and facts to deliver."""
        close_old_connections()
        try:
            do_due_chores()
            deliver()
        except DatabaseError:
            logger.exception("worker.database_failed", extra={"queues": [CONTROL]})
            connections.close_all()

    def look(self) -> None:
        """Do everything that could be done now, unless this process is at work."""
        if CONTROL in self.queues:
            self.do_chores()
        if not self._turn.locked():
            self.carry_out(self.queues)


def deliver(*, at_most_s: float = TURN_S) -> None:
    """Deliver facts until none is due; after `at_most_s` somebody else goes on."""
    end = time.monotonic() + at_most_s
    while relay_waiting():
        if time.monotonic() > end:
            return wake.ring(RELAY)
    return None


def keep_looking(worker: Worker) -> threading.Thread:
    """Start a thread that lets `worker` look at once, then every `NET_S`; while the broker is away, all the time."""

    def run() -> None:
        messages.messenger.carry(())  # from now on it asks whether the broker is there
        while not worker.stop.is_set():
            seen = wake.rings()
            try:
                worker.look()
            except Exception:
                logger.exception("worker.look_failed")
            _wait(worker.stop, seen=seen)
        connections.close_all()

    thread = threading.Thread(target=run, name="net", daemon=True)
    thread.start()
    return thread


def _wait(stop: Stop, *, seen: int) -> None:
    end = time.monotonic() + NET_S
    while not stop.is_set() and time.monotonic() < end:
        if messages.messenger.is_deaf:
            wake.wait(since=seen, at_most_s=POLL_S)
            return
        stop.wait(POLL_S)
