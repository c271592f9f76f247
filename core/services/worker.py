"""What a worker process does: called by messages, and now and then on its own, for messages may be lost."""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from django.db import DatabaseError, close_old_connections, connections

from core.adapters import messages, wake
from core.adapters.processes import worker_name
from core.models import Process
from core.registry import Stop, find_runner
from core.services.chores import do_due_chores
from core.services.outbox import RELAY, relay_waiting
from core.services.processes import mark_gone, mark_seen

logger = logging.getLogger(__name__)

NET_S = 30.0
"""How often a worker looks by itself for what no message told it."""
POLL_S = 1.0
"""The same while no message can come."""
TURN_S = 20.0
"""For how long one message lets a worker begin new tasks before other messages have their turn."""
ALIVE_S = 20.0
CONTROL = "control"


class Worker:
    """One process that carries out one task at a time, and a critical one beside it when it must.

    Attributes:
        queues: what it serves.
        name: the worker it is a part of.
        stop: set when this process is to end: what runs is asked to stop, which costs it no attempt.
    """

    def __init__(self, queues: Collection[str], *, name: str) -> None:
        self.queues, self.name = tuple(queues), name
        self.stop = Stop()
        self._turn = threading.Lock()
        self._alive_until = 0.0

    @property
    def is_busy(self) -> bool:
        """Say whether a task is being carried out."""
        return self._turn.locked()

    def carry_out(self, queues: Collection[str]) -> None:
        """Carry out what is ready in `queues`, in turn with whoever else calls; after `TURN_S` others have a turn."""
        began = time.monotonic()
        with self._turn, lost_connections_closed():
            find_runner()(queues, worker=worker_name(0), stop=self.stop, at_most_s=TURN_S)
        if time.monotonic() - began > TURN_S and not self.stop.is_set():
            wake.ring(*queues)  # perhaps more is ready: whoever comes next goes on

    def look_for_work(self) -> None:
        """Carry out what is ready, unless this process is at it."""
        if not self.is_busy:
            self.carry_out(self.queues)

    def look_beside(self) -> None:
        """Do what must not wait for the end of a task: chores, critical work, and saying that we live."""
        if CONTROL in self.queues:
            do_chores()
        with lost_connections_closed():
            self._say_alive()
            if self.is_busy:
                find_runner()(self.queues, worker=worker_name(1), stop=self.stop, is_urgent_only=True)

    def leave(self) -> None:
        """Say that we are gone; while others of this worker are not, they say otherwise."""
        with lost_connections_closed():
            mark_gone(self.name)

    def _say_alive(self) -> None:
        if time.monotonic() > self._alive_until:
            self._alive_until = time.monotonic() + ALIVE_S
            mark_seen(self.name, kind=Process.Kind.WORKER, queues=self.queues)


@contextmanager
def lost_connections_closed() -> Iterator[None]:
    """Begin on a connection that lives; close it when the database fails, so that the next turn has a fresh one."""
    close_old_connections()
    try:
        yield
    except DatabaseError:
        logger.exception("worker.database_failed")
        connections.close_all()


def do_chores() -> None:
    """Do what is due on the platform's own side: chores, and facts to deliver."""
    with lost_connections_closed():
        do_due_chores()
        deliver()


def deliver() -> None:
    """Deliver facts until none is due; after `TURN_S` somebody else goes on."""
    end = time.monotonic() + TURN_S
    while relay_waiting():
        if time.monotonic() > end:
            wake.ring(RELAY)
            return


def keep_looking(worker: Worker) -> list[threading.Thread]:
    """Call for what is ready, then look every `NET_S` for what no call reached; every `POLL_S` while none can help."""
    wake.ring(
        *worker.queues
    )  # what is ready is best begun by a message, whose time limits end what does not end
    return [_forever(step, worker) for step in (_net, _beside)]


def _net(worker: Worker) -> None:
    _wait(worker)
    worker.look_for_work()


def _beside(worker: Worker) -> None:
    worker.look_beside()
    _wait(worker)


def _forever(step: Callable[[Worker], None], worker: Worker) -> threading.Thread:
    def run() -> None:
        while not worker.stop.is_set():
            try:
                step(worker)
            except Exception:
                logger.exception("worker.look_failed")
                worker.stop.wait(POLL_S)
        connections.close_all()

    thread = threading.Thread(target=run, name=step.__name__, daemon=True)
    thread.start()
    return thread


def _wait(worker: Worker) -> None:
    """A worker that is busy hears no message, and without a broker there is none."""
    end, seen = time.monotonic() + NET_S, wake.rings()
    while not worker.stop.is_set() and time.monotonic() < end:
        if messages.messenger.is_deaf:
            wake.wait(since=seen, at_most_s=POLL_S)
            return
        worker.stop.wait(POLL_S)
        if worker.is_busy:
            return
