"""The engine: claim, begin, keep alive, carry out, finish; in as many threads as wanted."""

import itertools
import logging
import math
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from functools import partial
from types import TracebackType
from typing import TypeVar

from django.conf import settings
from django.db import Error, connection, connections, transaction

from agents.runtime.rules import outcome_of
from agents.runtime.services import carry_out as runtime
from core.adapters import wake
from core.adapters.away import is_away, outlast
from core.adapters.disk import is_full
from core.adapters.last_words import keep_last_words
from core.adapters.processes import worker_name
from core.errors import FactoryError
from core.ids import story_of, working_on
from core.registry import Assignment, Job, Outcome, Stop, find_job, post_of
from factory.work import rules
from factory.work.adapters.deadlocks import repeated
from factory.work.adapters.line import the_line
from factory.work.errors import EffectUnknown, LeaseLost
from factory.work.ports import Done
from factory.work.services.attempts import finish_attempt, give_back_held, heartbeat, may_go_on
from factory.work.services.claims import ALL_QUEUES, Claim, claims_of, tell_claims, wish_for
from factory.work.services.results import checked_result, complete_held
from factory.work.services.tasks import ring_for

logger = logging.getLogger(__name__)
T = TypeVar("T")

TICK_S = 0.2
POLL_S = 1.0
"""A lost ring costs this much."""
LAST_LINES = 20
BATCH = 32
"""How many quick jobs one claim takes."""


def run_next(*, worker: str, stop: Stop, carry_out: Job = runtime) -> bool:
    """Carry out the next task that is admitted, from claim to end; say whether there was one.

    Args:
        worker: name under which the task is held.
        stop: set when this process wants to end: the attempt is stopped and costs nothing.
        carry_out: carries out what agents do; jobs are found in the registry.
    """
    return Run(ALL_QUEUES, worker=worker, stop=stop, carry_out=carry_out, at_most=1).go_on(turns=1) > 0


def run_ready(
    queues: Collection[str],
    *,
    worker: str,
    stop: Stop,
    at_most_s: float = math.inf,
    carry_out: Job = runtime,
    is_urgent_only: bool = False,
) -> int:
    """Carry out what is ready in these queues, one after the other; return how many attempts ended.

    Nothing new is begun after `at_most_s` seconds or once `stop` is set. What one attempt ends and the next begins
    with is one transaction. An error of the database is the caller's to see.

    Args:
        queues: whose tasks.
        worker: name under which they are held.
        stop: set when this process wants to end: attempts are stopped and cost nothing.
        at_most_s: machine time.
        carry_out: carries out what agents do; jobs are found in the registry.
        is_urgent_only: nothing but critical work: the place kept free for it. Source: R-04.28.
    """
    run = Run(queues, worker=worker, stop=stop, carry_out=carry_out, is_urgent_only=is_urgent_only)
    return run.go_on(at_most_s=at_most_s)


class Run:
    """One worker at the line: ends what it has, takes what comes, until nothing comes."""

    def __init__(
        self,
        queues: Collection[str],
        *,
        worker: str,
        stop: Stop,
        carry_out: Job,
        at_most: int = BATCH,
        is_urgent_only: bool = False,
    ) -> None:
        keep_last_words()
        self._worker, self._stop, self._carry_out = worker, stop, carry_out
        self._at_most, self._queues = at_most, tuple(queues)
        self._wish = partial(wish_for, worker=worker, queues=queues, is_urgent_only=is_urgent_only)

    def go_on(self, *, at_most_s: float = math.inf, turns: float = math.inf) -> int:
        """Work until nothing is ready, the time or the turns are over, or the worker is to stop; return the attempts."""
        until, ended = time.monotonic() + at_most_s, 0
        done: list[Done] = []
        claims: list[Claim] = []
        for turn in itertools.count():
            is_last = turn >= turns or self._stop.is_set() or time.monotonic() >= until
            claims = self._turn(done, is_last=is_last, at_most=min(self._at_most, max(4, 2 * len(claims))))
            if not claims:
                break
            if not turn:
                wake.ring(claims[0].taken.queue)
            ended += len(claims)
            done = [ending for claim in claims if (ending := self._carry(claim))]
        return ended

    def _turn(self, done: Sequence[Done], *, is_last: bool, at_most: int) -> list[Claim]:
        """End what is done and begin what comes next, in one transaction."""
        if not done and (is_last or not the_line().is_waiting(self._queues)):
            return []
        turn = partial(self._end_and_claim, done, is_last=is_last, at_most=at_most)
        claims = stored(turn) if done else repeated(transaction.atomic(turn))
        tell_claims(claims)
        return claims

    def _end_and_claim(self, done: Sequence[Done], *, is_last: bool, at_most: int) -> list[Claim]:
        """What became ready and is not begun here is left to whom the bell wakes."""
        wish = None if is_last else self._wish(at_most=at_most)
        turn = complete_held(done, then=wish)
        for lost in {one.attempt_id for one in done} - turn.held:
            logger.warning("work.lease_lost", extra={"assignment_id": str(lost)})
        claims = claims_of(wish, turn.take) if wish else []
        ring_for(Counter(turn.freed.queues) - Counter(claim.taken.queue for claim in claims))
        return claims

    def _carry(self, claim: Claim) -> Done | None:
        """Carry one task out; return it when its result is accepted as it is, else end the attempt at once."""
        assignment = claim.assignment
        with (
            story_of(assignment.correlation_id),
            working_on(assignment.reuse_key, agent=assignment.agent),
        ):
            outcome = self._watched(claim)
            if done := self._done(claim, outcome):
                return done
            try:
                _finish(assignment, outcome)
            except LeaseLost:
                logger.warning("work.lease_lost", extra={"assignment_id": str(assignment.id)})
        return None

    def _watched(self, claim: Claim) -> Outcome:
        """A quick job ends before anybody would look."""
        if post_of(claim.taken.kind).is_quick:
            return self._outcome(claim.assignment, halt=self._stop)
        with Watch(claim.assignment, stop=self._stop) as watch:
            return watch.judge(self._outcome(claim.assignment, halt=watch.halt))

    def _outcome(self, assignment: Assignment, *, halt: Stop) -> Outcome:
        if halt.is_set():
            return Outcome(kind="stopped")
        try:
            job = self._carry_out if assignment.kind == "agent" else find_job(assignment.kind)
            return job(assignment, halt)
        except Exception as error:  # noqa: BLE001 (a worker's outermost loop: whatever a job raises is its outcome)
            return failure_of(error)

    def _done(self, claim: Claim, outcome: Outcome) -> Done | None:
        """Return the plain case: a result that nobody judges and no artifacts."""
        taken = claim.taken
        if outcome.kind != "done" or outcome.artifacts or taken.validator not in rules.OWN_VALIDATORS:
            return None
        try:
            text = checked_result(outcome.result, schema=taken.answer_schema)
        except (FactoryError, TypeError, ValueError):
            return None
        return Done(
            attempt_id=taken.attempt_id, task_id=taken.task_id, dag_id=taken.dag_id, worker=self._worker, result=text,
            has_agent=taken.agent_id is not None, actor=f"work:{taken.validator}", reason=f"judge: {taken.validator}",
        )  # fmt: skip


def _finish(assignment: Assignment, outcome: Outcome) -> None:
    """An outcome that cannot be stored is a failure of the attempt: it ends all the same."""
    try:
        stored(partial(finish_attempt, assignment.id, outcome))
    except LeaseLost:
        raise
    except (FactoryError, OSError, TypeError, ValueError) as error:
        logger.warning("work.outcome_refused", exc_info=error, extra={"assignment_id": str(assignment.id)})
        stored(partial(finish_attempt, assignment.id, failure_of(error)))


def stored(end: Callable[[], T]) -> T:
    """Return what `end` returns, in a transaction that is tried again while the database is away: work is not lost.

    Ending twice is harmless: the second time the fence refuses.
    """
    return outlast(partial(repeated, transaction.atomic(end)))


def failure_of(error: Exception) -> Outcome:
    """Return what an attempt that ended in `error` amounts to. Source: R-01.16."""
    if isinstance(error, EffectUnknown):
        return Outcome(kind="waiting", question=error.question)
    if isinstance(error, FactoryError):
        return outcome_of(error)
    lines = "".join(traceback.format_exception(error)).splitlines()[-LAST_LINES:]
    misses = "database" if is_away(error) else "disk" if is_full(error) else ""
    return Outcome(kind="failed", error="\n".join(lines), error_class="crash", misses=misses)


class Watch:
    """Keeps the lease of one running attempt alive from its own thread, and says when the attempt must end."""

    def __init__(self, assignment: Assignment, *, stop: Stop, beat_s: float | None = None) -> None:
        self.halt = Stop()
        self._assignment, self._stop = assignment, stop
        self._beat_s = settings.LEASE_S / 3 if beat_s is None else beat_s
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
        began = looked = time.monotonic()
        beaten = (
            began - self._beat_s
        )  # the claim may have waited for the database: its lease is made whole at once
        try:
            while not self._over.wait(TICK_S):
                now = time.monotonic()
                if self._stop.is_set():
                    self._end("stop")
                elif now - began >= self._assignment.limits.seconds:
                    self._end("time")
                elif now - looked >= rules.WATCH_S:
                    looked = now
                    self._ask(self._look)
                if now - beaten >= self._beat_s:
                    beaten = now
                    self._ask(self._beat)
        finally:
            connections.close_all()

    def _end(self, why: str) -> None:
        self._why = self._why or why
        self.halt.set()

    def _look(self) -> None:
        if not may_go_on(self._assignment.id):
            self._end("stop")

    def _beat(self) -> None:
        try:
            heartbeat(self._assignment.id)
        except LeaseLost:
            self._end("lost")

    def _ask(self, question: Callable[[], None]) -> None:
        """A database that cannot be asked now is asked again at the next turn, on another connection."""
        try:
            question()
        except Error:
            logger.exception("work.watch_failed", extra={"assignment_id": str(self._assignment.id)})
            connection.close()  # a broken one stays broken


class Loop:
    """Threads that carry out tasks until they are told to stop; they wait for rings and poll once a second.

    One more thread than asked for takes critical work alone, so that long work never keeps it waiting.
    """

    def __init__(
        self, *, threads: int, carry_out: Job = runtime, queues: Collection[str] = ALL_QUEUES
    ) -> None:
        self._carry_out, self._queues = carry_out, queues
        self._stop = Stop()
        self._threads = {
            worker_name(n): threading.Thread(
                target=self._run, args=(worker_name(n), n == threads), name=f"work-{n}", daemon=True
            )
            for n in range(threads + 1)
        }

    def start(self) -> None:
        """Begin to claim tasks."""
        for thread in self._threads.values():
            thread.start()

    def stop(self, *, at_most_s: float = 30.0) -> bool:
        """Claim nothing more, ask what runs to stop, wait for it; say whether all threads ended in time.

        What a thread that does not end still runs is given back: this process ends, and that is no death of the task.
        """
        self._stop.set()
        wake.ring()
        deadline = time.monotonic() + at_most_s
        for thread in self._threads.values():
            thread.join(timeout=max(0.0, deadline - time.monotonic()))
        late = [worker for worker, thread in self._threads.items() if thread.is_alive()]
        if late:
            give_back_held(late)
        return not late

    def _run(self, worker: str, is_urgent_only: bool) -> None:  # noqa: FBT001 (a thread's arguments have no names)
        try:
            while not self._stop.is_set():
                rings = wake.rings()
                if not self._try(worker, is_urgent_only=is_urgent_only):
                    wake.wait(since=rings, at_most_s=POLL_S)
        finally:
            connections.close_all()

    def _try(self, worker: str, *, is_urgent_only: bool) -> int:
        try:
            return run_ready(
                self._queues,
                worker=worker,
                stop=self._stop,
                carry_out=self._carry_out,
                is_urgent_only=is_urgent_only,
            )
        except Exception:
            logger.exception("work.loop_failed", extra={"worker": worker})
            connections.close_all()
            return 0
