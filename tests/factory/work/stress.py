"""Random graphs under many workers: work is done, fails, stops, vanishes, expands, is judged, grows and is cancelled."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from django.db import OperationalError, connection, connections, transaction
from django.db.models import Count, F, Q
from django.utils import timezone

from core.registry import Assignment, Outcome, Stop
from factory.work.adapters.deadlocks import repeated
from factory.work.models import Attempt, Dag, Permit, Task, TaskEvent
from factory.work.rules import TaskSpec
from factory.work.services import (
    accept_result,
    cancel_task,
    extend_graph,
    pause_queue,
    promote_due,
    reap_leases,
    refuse_result,
    retry_dead_letter,
    run_next,
    unpause_queue,
)
from factory.work.services.claims import claim_next
from tests.builders import a_graph
from tests.factory.work.hands import a_hand

CHILDREN = tuple(TaskSpec(key=name, title=name, kind="test.nothing") for name in ("one", "other"))
"""What an attempt may want: two of the same kind."""


@dataclass
class Stress:
    """One run over a seed.

    Attributes:
        places: how much each agent may do at once.
        work_s: how long an attempt takes.
        silent_s: when nothing has happened for so long, what is not done is stuck.
        grow_s: how long the one who adds tasks rests.
        pause_s: how long the one who pauses the queue rests.
        expand_share: how many attempts want children.
        claims_in_pauses: how many claims were committed after a pause was.
        most_running: how many attempts of one agent were ever seen running at the same time.
        deadlocks: how often transactions waited for each other in a circle.
        errors: what broke a thread.
    """

    seed: int
    tasks: int = 60
    agents: int = 3
    places: int = 2
    workers: int = 4
    silent_s: float = 30.0
    work_s: float = 0.001
    grow_s: float = 0.03
    pause_s: float = 0.3
    expand_share: float = 0.04
    claims_in_pauses: int = 0
    most_running: int = 0
    deadlocks: int = 0
    errors: list[str] = field(default_factory=list)

    def run(self) -> list[str]:
        """Carry the graph out; return in words every promise that was broken."""
        dice = random.Random(self.seed)  # noqa: S311 (a story that can be told again)
        self._hands = [a_hand(max_parallel=self.places) for _ in range(self.agents)]
        self._dag = a_graph(*self._specs(dice))
        self._abandoned, deadlocks = set[Any](), _deadlocks()
        working = _Crew(
            [self._work] * self.workers + [self._sweep, self._watch, self._pause], self, dice=dice
        )
        growing = _Crew([self._grow], self, dice=dice)
        self._wait()
        growing.go_home()
        self._wait()  # what was added last, when all else was done, is work too
        working.go_home()
        self.deadlocks = _deadlocks() - deadlocks
        return self.broken()

    def _wait(self) -> None:
        """Until all is done, a thread broke, or nothing happens any more; a busy machine only takes longer."""
        happened, since = 0, time.monotonic()
        while time.monotonic() - since < self.silent_s and not self.errors and self._open().exists():
            if (now := TaskEvent.objects.filter(task__dag=self._dag).count()) > happened:
                happened, since = now, time.monotonic()
            time.sleep(0.05)

    def _specs(self, dice: random.Random) -> list[TaskSpec]:
        specs: list[TaskSpec] = []
        for n in range(self.tasks):
            after = dice.sample(range(n), min(n, dice.randint(0, 3)))
            specs.append(self._spec(f"t{n:03}", dice, after=[f"t{one:03}" for one in after]))
        return specs

    def _spec(self, key: str, dice: random.Random, *, after: Sequence[str] = ()) -> TaskSpec:
        return TaskSpec(
            key=key,
            title=key,
            agent=dice.choice(self._hands).name,
            type="write",
            priority=dice.randint(0, 100),
            validator=dice.choice(["none", "none", "none", "judge"]),
            after=tuple(after),
        )

    def _open(self) -> Any:
        """What still can go on: a task behind a cancelled one waits for the owner, and that is right."""
        return self._dag.tasks.open().exclude(state="pending", pk__in=_behind_a_gap(self._dag))

    def forever(self, loop: Callable[[random.Random], None], *, dice: random.Random, stop: Stop) -> None:
        """Do this again and again until told to stop or anything broke; a lock that was not to be had is no break."""
        while not stop.is_set() and not self.errors:
            try:
                loop(dice)
            except OperationalError as error:
                if "locked" not in str(error) and "deadlock" not in str(error):
                    self.errors.append(repr(error))
            except Exception as error:  # noqa: BLE001 (whatever breaks is what we look for)
                self.errors.append(repr(error))
        connections.close_all()

    def _work(self, dice: random.Random) -> None:
        worker = threading.current_thread().name
        if dice.random() < 0.05:
            claims = repeated(transaction.atomic(lambda: claim_next(worker=worker)))
            self._abandoned.update(claim.taken.attempt_id for claim in claims)
            return
        if not run_next(worker=worker, stop=Stop(), carry_out=lambda one, stop: self._outcome(one, dice)):
            time.sleep(0.005)

    def _outcome(self, assignment: Assignment, dice: random.Random) -> Outcome:
        time.sleep(self.work_s)
        roll = dice.random()
        if roll < 0.06:
            return Outcome(kind="failed", error="no", error_class="stuck")
        if roll < 0.1:
            return Outcome(kind="stopped")
        if dice.random() < self.expand_share and "children" not in assignment.inputs:
            return Outcome(kind="wants_children", children=CHILDREN, waits_for_children=dice.random() < 0.5)
        return Outcome(kind="done", result={"by": str(assignment.id)})

    def _sweep(self, dice: random.Random) -> None:
        late = timezone.now() - timedelta(hours=1)
        for lease in list(self._abandoned):
            Task.objects.filter(lease=lease).update(leased_until=late)
        reap_leases()
        for task in Task.objects.filter(state="retrying"):
            Task.objects.filter(pk=task.pk, state="retrying").update(not_before=late)
        promote_due()
        for attempt in Attempt.objects.filter(state="offered"):
            verdict = accept_result if dice.random() < 0.8 else _refuse
            repeated(partial(verdict, attempt.pk, by="judge"))
        for task in Task.objects.filter(state="dead_letter"):
            letter = task.dead_letters.get(resolution="")
            repeated(partial(retry_dead_letter, letter.pk, by="owner:ada", brief="smaller"))
        time.sleep(0.02)

    def _grow(self, dice: random.Random) -> None:
        """Put a new task before a pending one, and now and then cancel one, while their parents are being done."""
        time.sleep(self.grow_s)
        pending = list(self._dag.tasks.filter(state="pending").values_list("key", flat=True))
        if not pending or self._dag.tasks.count() > self.tasks * 1.5:
            return
        key = dice.choice(pending)
        running = list(self._dag.tasks.filter(state="running").values_list("key", flat=True))
        new = self._spec(f"g{dice.random()}", dice, after=running[:1])
        try:
            repeated(lambda: extend_graph(self._dag, tasks=[new], before=key))
        except Exception as refusal:
            if not {"GRAPH_REFUSED", "CYCLE_DETECTED"} & {str(refusal).partition(":")[0]}:
                raise
        if dice.random() < 0.05:
            repeated(lambda: cancel_task(self._dag.tasks.get(key=key).pk, by="owner:ada"))

    def _pause(self, dice: random.Random) -> None:
        """Pause the queue for a moment: whoever claims now has begun before, and the pause has waited for him."""
        time.sleep(self.pause_s)
        claims = Attempt.objects.filter(task__dag=self._dag, task__queue="cloud")
        repeated(partial(pause_queue, "cloud", by="owner:ada"))
        try:
            before = claims.count()
            time.sleep(0.03)
            self.claims_in_pauses += claims.count() - before
        finally:
            repeated(partial(unpause_queue, "cloud", by="owner:ada"))

    def _watch(self, dice: random.Random) -> None:
        running = Task.objects.leased().exclude(agent=None).values("agent").annotate(n=Count("id")).order_by()
        self.most_running = max([self.most_running, *(row["n"] for row in running)])
        time.sleep(0.003)

    def broken(self) -> list[str]:
        """Return in words every promise that does not hold now."""
        tasks, attempts = self._dag.tasks, Attempt.objects.filter(task__dag=self._dag)
        done = attempts.filter(state="done")
        completed = tasks.filter(state="completed")
        unmet = completed.filter(
            dependencies__depends_on__state__in=["pending", "ready", "claimed", "running", "validating"]
        )
        met = Q(dependencies__depends_on__state="completed")
        counted = tasks.annotate(edges=Count("dependencies"), met=Count("dependencies", filter=met))
        promises = {
            "no thread broke": not self.errors,
            "running per agent never above its permits": self.most_running <= self.places,
            "no claim follows a pause": not self.claims_in_pauses,
            "nothing is stuck": not self._open().exists(),
            "no permit leaked": not Permit.objects.filter(holder__isnull=False).exists(),
            "every attempt is closed": not attempts.filter(state__in=["open", "offered"]).exists(),
            "one accepted attempt per completed task": done.count() == completed.count() == done.values("task").distinct().count(),
            "every accepted attempt has its result": not done.filter(result=None).exists(),
            "no completed task has an unfinished one before it": not unmet.exists(),
            "open dependencies are counted right": not counted.exclude(open_dependencies=F("edges") - F("met")).exists(),
            "every child that was wanted is there": not tasks.annotate(n=Count("children")).exclude(n__in=[0, len(CHILDREN)]).exists(),
            "no two waited for each other": not self.deadlocks,
            "a fence for every claim": not tasks.annotate(n=Count("attempts")).exclude(fence=F("n")).exists(),
        }  # fmt: skip
        return [words for words, holds in promises.items() if not holds] + self.errors


class _Crew:
    """Threads of a run that go home together."""

    def __init__(
        self, loops: Sequence[Callable[[random.Random], None]], run: Stress, *, dice: random.Random
    ) -> None:
        self._stop = Stop()
        self._threads = [
            threading.Thread(
                target=run.forever,
                args=(loop,),
                kwargs={"dice": random.Random(dice.random()), "stop": self._stop},  # noqa: S311 (as above)
                daemon=True,
            )
            for loop in loops
        ]
        for thread in self._threads:
            thread.start()

    def go_home(self) -> None:
        """Tell all of them to stop, and wait until they did."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=30)


def _deadlocks() -> int:
    """Return how many circles of waiting PostgreSQL has broken in this database; SQLite knows none."""
    if connection.vendor != "postgresql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute("select pg_stat_force_next_flush()")
        cursor.execute("select deadlocks from pg_stat_database where datname = current_database()")
        return int(cursor.fetchone()[0])


def _behind_a_gap(dag: Dag) -> set[Any]:
    """Return the pending tasks that wait, near or far, for a cancelled one."""
    edges = dag.tasks.values_list("pk", "dependencies__depends_on")
    gone = set(dag.tasks.filter(state="cancelled").values_list("pk", flat=True))
    while fresh := {task for task, earlier in edges if earlier in gone} - gone:
        gone |= fresh
    return gone


def _refuse(attempt_id: Any, *, by: str) -> None:
    refuse_result(attempt_id, faults=["not good"], by=by)
