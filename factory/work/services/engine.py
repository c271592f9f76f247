"""The engine: claim, begin, keep alive, carry out, finish; in as many threads as wanted."""

import logging
import threading
import time
import traceback
from types import TracebackType

from django.db import DatabaseError, connections

from agents.gateway.errors import Stopped
from agents.runtime.errors import Halted
from agents.runtime.rules import error_class
from agents.runtime.services import carry_out as runtime
from core.adapters import wake
from core.adapters.processes import worker_name
from core.errors import FactoryError
from core.ids import story_of
from core.registry import Assignment, Job, Outcome, Stop, find_job
from factory.work import rules
from factory.work.errors import LeaseLost
from factory.work.services.attempts import finish_attempt, heartbeat, may_go_on, start_attempt
from factory.work.services.claims import claim_task

logger = logging.getLogger(__name__)

TICK_S = 0.2
POLL_S = 1.0
"""A lost ring costs this much."""
LAST_LINES = 12


def run_next(*, worker: str, stop: Stop, carry_out: Job = runtime) -> bool:
    """Carry out the next task that is admitted, from claim to end; say whether there was one.

    Args:
        worker: name under which the task is held.
        stop: set when this process wants to end: the attempt is stopped and costs nothing.
        carry_out: carries out what agents do; jobs are found in the registry.
    """
    assignment = claim_task(worker=worker)
    if assignment is None:
        return False
    with story_of(assignment.correlation_id):
        try:
            start_attempt(assignment.id)
            with Watch(assignment, stop=stop) as watch:
                outcome = watch.judge(_outcome_of(assignment, halt=watch.halt, carry_out=carry_out))
                _finish(assignment, outcome)
        except LeaseLost:
            logger.warning("work.lease_lost", extra={"assignment_id": str(assignment.id)})
    return True


def _outcome_of(assignment: Assignment, *, halt: Stop, carry_out: Job) -> Outcome:
    try:
        job = carry_out if assignment.kind == "agent" else find_job(assignment.kind)
        return job(assignment, halt)
    except Exception as error:  # noqa: BLE001 (a worker's outermost loop: whatever a job raises is its outcome)
        return failure_of(error)


def _finish(assignment: Assignment, outcome: Outcome) -> None:
    """An outcome that cannot be stored is a failure of the attempt: it ends all the same."""
    try:
        finish_attempt(assignment.id, outcome)
    except LeaseLost:
        raise
    except (FactoryError, OSError, TypeError, ValueError) as error:
        logger.warning("work.outcome_refused", exc_info=error, extra={"assignment_id": str(assignment.id)})
        finish_attempt(assignment.id, failure_of(error))


def failure_of(error: Exception) -> Outcome:
    """Return what an attempt that ended in `error` amounts to. Source: R-01.16."""
    if isinstance(error, Halted | Stopped):
        return Outcome(kind="stopped", error=error.sentence)
    if isinstance(error, FactoryError):
        return Outcome(kind="failed", error=str(error), error_class=error_class(error))
    lines = "".join(traceback.format_exception(error)).splitlines()[-LAST_LINES:]
    return Outcome(kind="failed", error="\n".join(lines), error_class="crash")


class Watch:
    """Keeps the lease of one running attempt alive from its own thread, and says when the attempt must end."""

    def __init__(self, assignment: Assignment, *, stop: Stop, beat_s: float = rules.BEAT_S) -> None:
        self.halt = Stop()
        self._assignment, self._stop, self._beat_s = assignment, stop, beat_s
        self._why = ""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"watch-{assignment.id}", daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def judge(self, outcome: Outcome) -> Outcome:
        """Return what `outcome` amounts to, given why the attempt was told to end: finished work counts."""
        if not self._why or outcome.kind in ("done", "waiting"):
            return outcome
        if self._why == "time":
            return Outcome(kind="failed", error="its time was over", error_class="stuck")
        return Outcome(kind="stopped")

    def _run(self) -> None:
        began = looked = beaten = time.monotonic()
        try:
            while not self._over.wait(TICK_S):
                now = time.monotonic()
                if self._stop.is_set():
                    self._end("stop")
                elif now - began >= self._assignment.limits.seconds:
                    self._end("time")
                elif now - looked >= rules.WATCH_S:
                    looked = now
                    self._look()
                if now - beaten >= self._beat_s:
                    beaten = now
                    self._beat()
        finally:
            connections.close_all()

    def _end(self, why: str) -> None:
        self._why = self._why or why
        self.halt.set()

    def _look(self) -> None:
        try:
            if not may_go_on(self._assignment.id):
                self._end("stop")
        except DatabaseError:
            logger.exception("work.look_failed", extra={"assignment_id": str(self._assignment.id)})

    def _beat(self) -> None:
        try:
            heartbeat(self._assignment.id)
        except LeaseLost:
            self._end("lost")
        except DatabaseError:
            logger.exception("work.beat_failed", extra={"assignment_id": str(self._assignment.id)})


class Loop:
    """Threads that carry out tasks until they are told to stop; they wait for rings and poll once a second."""

    def __init__(self, *, threads: int, carry_out: Job = runtime) -> None:
        self._carry_out = carry_out
        self._stop = Stop()
        self._threads = [
            threading.Thread(target=self._run, args=(worker_name(n),), name=f"work-{n}", daemon=True)
            for n in range(threads)
        ]

    def start(self) -> None:
        """Begin to claim tasks."""
        for thread in self._threads:
            thread.start()

    def stop(self, *, at_most_s: float = 30.0) -> bool:
        """Claim nothing more, ask what runs to stop, wait for it; say whether all threads ended in time."""
        self._stop.set()
        wake.ring()
        deadline = time.monotonic() + at_most_s
        for thread in self._threads:
            thread.join(timeout=max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self, worker: str) -> None:
        try:
            while not self._stop.is_set():
                rings = wake.rings()
                if not self._try_next(worker):
                    wake.wait(since=rings, at_most_s=POLL_S)
        finally:
            connections.close_all()

    def _try_next(self, worker: str) -> bool:
        try:
            return run_next(worker=worker, stop=self._stop, carry_out=self._carry_out)
        except Exception:
            logger.exception("work.loop_failed", extra={"worker": worker})
            connections.close_all()
            return False
