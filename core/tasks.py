"""Celery's tasks, all of them: they carry names or nothing and only wake. The rows say what is to be done."""

import atexit
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import httpx
from billiard import current_process
from celery import signals
from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import connections

from core.adapters.broker import app
from core.adapters.last_words import leave_last_words, note_end
from core.adapters.node_line import NodeLine
from core.adapters.processes import process_name
from core.errors import LineRefused
from core.models import Process
from core.registry import QUEUES
from core.services.node import carry_out_one, say_here
from core.services.processes import mark_seen
from core.services.worker import Worker, deliver, do_chores, keep_looking

logger = logging.getLogger(__name__)
LONGEST_S: Final = 14_400
"""No attempt may take longer; the limits below only end what does not heed it. Source: R-01.18."""
SOFT_S, HARD_S = LONGEST_S + 600, LONGEST_S + 900
SHORT_SOFT_S, SHORT_HARD_S = 300, 360
NODE_SOFT_S, NODE_HARD_S = SOFT_S + 3_600, HARD_S + 3_600
"""A node that is cut off waits with its result."""
NODE_BEAT_S: Final = 30
LEAVE_S = 20.0
HEED_S = 0.25
KILLED: Final = ": killed from outside, most often because memory ran out, or because its time was over"

_leaving = multiprocessing.RawValue("b", 0)
"""Shared by a worker and the children it forks: 1 once it was asked to end."""
_here: list[Worker] = []
_threads: list[threading.Thread] = []


@app.task(name="core.run", soft_time_limit=SOFT_S, time_limit=HARD_S)
def run(queue: str) -> None:
    """Carry out what is ready in `queue`."""
    with limited():
        this_worker().carry_out([queue])


@app.task(name="core.relay", soft_time_limit=SHORT_SOFT_S, time_limit=SHORT_HARD_S)
def relay() -> None:
    """Deliver the facts that are due."""
    with limited():
        deliver()


@app.task(name="core.tick", soft_time_limit=SHORT_SOFT_S, time_limit=SHORT_HARD_S)
def tick() -> None:
    """Do the chores that are due."""
    with limited():
        do_chores()


@app.task(name="core.beat_seen", soft_time_limit=SHORT_SOFT_S, time_limit=SHORT_HARD_S)
def beat_seen() -> None:
    """Say that beat lives: this comes from it."""
    mark_seen("beat", kind=Process.Kind.BEAT)


@app.task(name="core.carry_out_on_node", acks_late=True, soft_time_limit=NODE_SOFT_S, time_limit=NODE_HARD_S)
def carry_out_on_node() -> None:
    """On a host without a database: fetch one job with the node's key, carry it out, bring the result.

    Acknowledged after the result is stored. Coming twice, or for nothing, costs one question.
    """
    try:
        carry_out_one(_line(), stop=this_worker().stop)
    except (LineRefused, httpx.TransportError) as error:
        logger.error("node.no_job", extra={"why": str(error)})  # noqa: TRY400 (the reason is in the sentence)


def _line() -> NodeLine:
    return NodeLine(settings.NODE_URL, key=settings.NODE_KEY)


@signals.celeryd_after_setup.connect
def check_node(instance: Any, **_: Any) -> None:
    """The gpu queue is served by hosts with a node key, and those serve nothing else. Source: R-13.2."""
    served = set(instance.app.amqp.queues.consume_from)
    if settings.NODE_KEY and served != {"gpu"}:
        sys.exit("A host with FACTORY_NODE_KEY serves the gpu queue alone: start the worker with -Q gpu.")
    if "gpu" in served and not settings.NODE_KEY:
        sys.exit("The gpu queue is served with a node's key: set FACTORY_NODE_KEY and FACTORY_NODE_URL.")


@signals.worker_ready.connect
def beat_as_node(**_: Any) -> None:
    """Say from time to time that this node is there."""
    if settings.NODE_KEY:
        threading.Thread(target=_beat, name="node-beat", daemon=True).start()


def _beat() -> None:
    line = _line()
    while not _leaving.value:
        say_here(line)
        time.sleep(NODE_BEAT_S)


@contextmanager
def limited() -> Iterator[None]:
    """A time limit may strike in the middle of a query: the connection is then of no use."""
    try:
        yield
    except SoftTimeLimitExceeded:
        connections.close_all()
        raise


def this_worker() -> Worker:
    """Return what this process is, made at the first call."""
    if not _here:
        queues = [name for name in app.amqp.queues.consume_from if name in QUEUES and name != "gpu"]
        is_child = current_process().name != "MainProcess"
        _here.append(Worker(queues, name=process_name(os.getppid() if is_child else os.getpid())))
    return _here[0]


def begin(**_: Any) -> None:
    """Let a fresh process look for work at once, and from then on also without messages."""
    worker = this_worker()
    if worker.queues:
        _threads.extend(keep_looking(worker))
    if worker.queues or settings.NODE_KEY:
        threading.Thread(target=_heed, args=(worker,), name="heed", daemon=True).start()


@signals.worker_init.connect
def begin_in_children(**_: Any) -> None:
    """Be the last to hear of a fresh process: Celery first closes what it inherited of the database."""
    signals.worker_process_init.connect(begin)


@signals.worker_ready.connect
def begin_here(sender: Any, **_: Any) -> None:
    """The same where a worker has no processes of its own: threads, or itself alone."""
    if "prefork" not in type(sender.pool).__module__:
        begin()


@signals.worker_ready.connect
def note_deaths(sender: Any, **_: Any) -> None:
    """Write down how each child ends: it is the parent who learns it, and the child's last words are looked for later."""
    pool = getattr(sender.pool, "_pool", None)
    if pool is None or "prefork" not in type(sender.pool).__module__:
        return
    go_on = pool.on_process_down

    def note(child: Any) -> None:
        if child.exitcode:
            note_end(child.pid, _how(child.exitcode))
        go_on(child)

    pool.on_process_down = note


def _how(exitcode: int) -> str:
    """Return in words what a process ended with."""
    if exitcode >= 0:
        return f"exit code {exitcode}"
    name = signal.Signals(-exitcode).name
    return f"signal {-exitcode} ({name}){KILLED if name == 'SIGKILL' else ''}"


def _heed(worker: Worker) -> None:
    while not _leaving.value:
        time.sleep(HEED_S)
    worker.stop.set()


@signals.worker_shutting_down.connect
def leave(**_: Any) -> None:
    """Ask what runs to stop: it goes back to its queue and loses no attempt."""
    _leaving.value = 1


@signals.worker_process_shutdown.connect
def end(**_: Any) -> None:
    """Wait for what this process began by itself."""
    worker = this_worker()
    worker.stop.set()
    for thread in _threads:
        thread.join(timeout=LEAVE_S)
    if worker.queues:
        worker.leave()
    if not _leaving.value:  # its parent ends it alone, since its time was over
        leave_last_words()
    atexit._run_exitfuncs()  # a child of a worker ends without them: what we started ends with us


@signals.setup_logging.connect
def keep_logs(**_: Any) -> None:
    """Logs stay as the settings have them."""
