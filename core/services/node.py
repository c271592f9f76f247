"""What a node does: fetch one job, carry it out while its heart beats, bring the result; without any database."""

import logging
import os
import shutil
import threading
import time
import traceback
from pathlib import Path

import httpx

from core.adapters.node_line import NodeJob, NodeLine
from core.errors import FactoryError, LineRefused
from core.ids import story_of
from core.registry import Assignment, Json, Outcome, Stop, find_job

logger = logging.getLogger(__name__)

BEAT_S = 30.0
FETCH_FOR_S = 60.0
FINISH_FOR_S = 3_600.0
"""A result is offered so long: whoever was cut off for a quarter of an hour still learns what became of it."""
WAIT_S = 5.0
LAST_LINES = 12


def carry_out_one(line: NodeLine, *, stop: Stop, wait_s: float = WAIT_S) -> bool:
    """Fetch the next job, carry it out, bring its result; say whether there was one.

    A result that the factory refuses is thrown away: somebody else has the job by now.

    Raises:
        LineRefused: the factory does not know the key.
        httpx.TransportError: the factory could not be reached.
    """
    job = _fetch(line, stop=stop, wait_s=wait_s)
    if job is None:
        return False
    with story_of(job.assignment.correlation_id):
        with Pulse(line, job, stop=stop) as pulse:
            outcome = pulse.judge(_outcome_of(job.assignment, halt=pulse.halt))
        _finish(line, job.assignment, outcome, stop=stop, wait_s=wait_s)
    return True


def _fetch(line: NodeLine, *, stop: Stop, wait_s: float) -> NodeJob | None:
    end = time.monotonic() + FETCH_FOR_S
    while True:
        try:
            return line.fetch()
        except httpx.TransportError:
            if time.monotonic() > end or stop.wait(wait_s):
                raise


def _outcome_of(assignment: Assignment, *, halt: Stop) -> Outcome:
    try:
        return find_job(assignment.kind)(assignment, halt)
    except FactoryError as error:
        return Outcome(kind="failed", error=str(error), error_class="permanent")
    except Exception as error:  # noqa: BLE001 (a worker's outermost loop: whatever a job raises is its outcome)
        lines = "".join(traceback.format_exception(error)).splitlines()[-LAST_LINES:]
        return Outcome(kind="failed", error="\n".join(lines), error_class="crash")


def _finish(line: NodeLine, assignment: Assignment, outcome: Outcome, *, stop: Stop, wait_s: float) -> None:
    end = time.monotonic() + FINISH_FOR_S
    while True:
        try:
            line.finish(assignment.id, outcome)
        except LineRefused as error:
            logger.warning(
                "node.result_refused", extra={"assignment_id": str(assignment.id), "why": error.sentence}
            )
        except httpx.TransportError:
            if time.monotonic() < end and not stop.wait(wait_s):
                continue
            logger.exception("node.result_lost", extra={"assignment_id": str(assignment.id)})
        return


class Pulse:
    """Keeps the lease of one job alive from its own thread, and says when the job must end."""

    def __init__(self, line: NodeLine, job: NodeJob, *, stop: Stop) -> None:
        self.halt = Stop()
        self._line, self._assignment, self._stop, self._beat_s = line, job.assignment, stop, job.beat_s
        self._why = ""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"pulse-{job.assignment.id}", daemon=True)

    def __enter__(self) -> "Pulse":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def judge(self, outcome: Outcome) -> Outcome:
        """Return what `outcome` amounts to, given why the job was told to end: finished work counts."""
        if not self._why or outcome.kind == "done":
            return outcome
        if self._why == "time":
            return Outcome(kind="failed", error="its time was over", error_class="stuck")
        return Outcome(kind="stopped")

    def _run(self) -> None:
        began = beaten = time.monotonic()
        while not self._over.wait(min(0.2, self._beat_s)):
            now = time.monotonic()
            if self._stop.is_set():
                self._end("stop")
            elif now - began >= self._assignment.limits.seconds:
                self._end("time")
            if now - beaten >= self._beat_s:
                beaten = now
                self._beat()

    def _end(self, why: str) -> None:
        self._why = self._why or why
        self.halt.set()

    def _beat(self) -> None:
        try:
            if not self._line.beat(attempt_id=self._assignment.id, facts=facts_of_here()):
                self._end("lost")
        except LineRefused:
            self._end("lost")
        except httpx.TransportError as error:
            logger.warning("node.beat_failed", extra={"why": str(error)})


def say_here(line: NodeLine) -> None:
    """Say once that this node is there; a line that is down or refuses is written down, no more."""
    try:
        line.beat(attempt_id=None, facts=facts_of_here())
    except (LineRefused, httpx.TransportError) as error:
        logger.warning("node.beat_failed", extra={"why": str(error)})


def facts_of_here() -> Json:
    """Return what this host is: processors, memory, free disk, graphics cards. Source: R-13.1."""
    cards = sorted(path.name for path in Path("/proc/driver/nvidia/gpus").glob("*"))
    return {
        "host": os.uname().nodename,
        "processors": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "free_disk_bytes": shutil.disk_usage(Path.home()).free,
        "graphics_cards": cards,
    }
