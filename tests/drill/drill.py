"""One factory under fire: kept busy, struck, watched until it goes on."""

import random
import sqlite3
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

import httpx
import psycopg
from rich.console import Console

from factory.delivery.errors import EdgeUnavailable
from tests.drill.count import Report
from tests.drill.users import Asked, Users
from tests.drill.victims import CUT_USERS_OFF, HELD, Death, Targets
from tests.flows.owner import BUSY, LIVE, Owner
from tests.flows.stack import Row, Stack

IDEAS: Final = (
    "Watch the price page of a competitor and tell me when a number on it changes",
    "Remind sports clubs before the first aid certificates of their coaches run out",
    "Avisar a los talleres antes de que caduque el seguro de cada furgoneta de sus clientes",
    "Erinnere kleine Betriebe rechtzeitig daran, wenn die Prüfung einer Leiter fällig ist",
    "Beekeepers write down which hive was treated against mites and when it is due again",
    "Tell a bakery when the thermometer of its cold store stays silent",
    "Rappeler aux petites mairies la date de contrôle de chaque extincteur avant l'échéance",
    "Tell me when a page of my town about building permits changes",
)
BEHIND: Final = "SELECT id FROM work_task WHERE state IN ('ready', 'failed', 'retrying')"
GIVEN_UP: Final = """
    SELECT count(*) AS n FROM work_deadletter l JOIN work_task t ON t.id = l.task_id JOIN work_dag d ON d.id = t.dag_id
    WHERE d.product_id = ? AND l.resolution = ''
"""
SPARED: Final = 2
HANDS: Final = frozenset({"factoryd", "worker", "worker-2", "child"})
HANDS_S: Final = 20.0
AT_NEED: Final = frozenset({"rehearsal"})
"""Who comes back when it is needed: with the next call."""
STANDS: Final = (
    "SELECT key, state, queue, lane, held, failures, leased_to, changed_at FROM work_task"
    " WHERE state NOT IN ('completed', 'cancelled')",
    "SELECT scope, n, holder, is_open FROM work_permit WHERE holder IS NOT NULL",
    "SELECT task_id, n, state, worker, claimed_at FROM work_attempt WHERE state = 'open'",
    "SELECT l.error_class, l.is_poison, l.error, t.key FROM work_deadletter l JOIN work_task t ON t.id = l.task_id",
    "SELECT t.key, a.n, a.state, a.error_class, a.error, a.ended_at FROM work_attempt a JOIN work_task t ON t.id = a.task_id"
    " WHERE a.error <> '' ORDER BY a.ended_at",
    "SELECT * FROM quality_verdict v WHERE NOT v.passed",
    "SELECT * FROM quality_finding WHERE severity <> 'low'",
    "SELECT state, bound_microusd, owner, placed_at, expires_at FROM billing_hold WHERE state NOT IN ('captured', 'released')",
    "SELECT c.id, c.status, c.cost_microusd, sum(e.amount_microusd) AS booked, count(*) AS entries, max(c.words) AS words"
    " FROM gateway_call c JOIN billing_entry e ON e.call_id = c.id GROUP BY c.id, c.status, c.cost_microusd"
    " HAVING sum(e.amount_microusd) <> coalesce(c.cost_microusd, -1)",
    "SELECT service, until FROM work_outage",
    "SELECT name, kind, queues, seen_at FROM core_process",
    "SELECT stopped_at, draining_at, maintenance_at FROM core_installation",
)
OUT_OF_REACH: Final = (httpx.HTTPError, sqlite3.OperationalError, psycopg.Error)
say = Console(stderr=True, width=110).print


@dataclass
class Drill:
    """A factory, what is done to it, and what is written down of it."""

    stack: Stack
    targets: Targets
    report: Report
    dice: random.Random
    ventures: list[str] = field(default_factory=list)
    ideas: list[str] = field(default_factory=lambda: list(IDEAS))
    deaths: list[Death] = field(default_factory=list)
    full_disk: tuple[float, float] = (0.0, 0.0)

    @contextmanager
    def owner(self) -> Iterator[Owner]:
        """Give an owner who says yes to whatever is asked, as soon as the pages can be reached."""
        over = threading.Event()

        def agree() -> None:
            while not over.wait(0.5):
                with suppress(*OUT_OF_REACH):
                    owner.answer_all()

        with Owner(self.stack) as owner:
            thread = threading.Thread(target=agree)
            thread.start()
            try:
                yield owner
            finally:
                over.set()
                thread.join()

    def note(self, words: str) -> None:
        """Write down trouble that was made."""
        self.report.faults.append(words)
        say(f"  {words}")

    def keep_busy(self, owner: Owner) -> None:
        """See that somebody holds a task; give the next idea when there is nothing to do."""
        self.stack.until(self.stack.answers, what="the pages")
        if not self.is_busy() and self.ideas:
            self.ventures.append(owner.give(self.ideas.pop(0)))
        self.stack.until(lambda: self.stack.rows(HELD) or not self.is_busy(), what="work", every_s=0.05)

    def is_busy(self) -> bool:
        """Say whether a venture is not live yet, or something of it is left to do; one that was given up is over."""
        return not all(self._is_over(venture) for venture in self.ventures)

    def _is_over(self, venture: str) -> bool:
        is_live = self.stack.value(LIVE, venture) and not self.stack.value(BUSY, venture)
        return bool(is_live or self.stack.value(GIVEN_UP, venture))

    def finish(self) -> None:
        """Wait until every venture is live, or given up, and nothing is left to do."""
        self.stack.until(lambda: not self.is_busy(), what="every venture to be live", every_s=0.5)

    def kill(self, victim: str) -> None:
        """Kill somebody, bring them back where nobody else does, and wait until what they held goes on."""
        self.stack.until(self._may_be_struck, what="work that is not one death away from being parked")
        self._wait_for_hands(victim)
        held = self.stack.rows(HELD)
        death = self.targets.strike(victim)
        self.deaths.append(death)
        self.report.kills[victim] = self.report.kills.get(victim, 0) + bool(death.pids)
        time.sleep(1.0)
        self.targets.start_again(victim)
        torn = held_by(death.pids, held)
        self.wait_until_it_goes_on(torn, since=death.began, instead_of=death)
        say(f"  {victim}: held {len(torn)} tasks; went on after {self.report.recoveries_s[-1]:.1f} s")

    def wait_until_it_goes_on(
        self, torn: dict[str, str], *, since: float, instead_of: Death | None = None
    ) -> None:
        """Wait until what was torn out of somebody's hands is in others', and note how long that took.

        Args:
            torn: tasks, each with the lease it was held under.
            since: the blow, on the monotonic clock.
            instead_of: who was struck: others must be there, and the pages answer.
        """
        self.stack.until(
            lambda: self._goes_on(torn) and (instead_of is None or self._is_back(instead_of)),
            what="it to go on",
            every_s=0.05,
        )
        self.report.recoveries_s.append(time.monotonic() - since)

    def _wait_for_hands(self, victim: str) -> None:
        """Strike who carries out tasks while it holds one, if it gets one soon."""
        end = time.monotonic() + HANDS_S
        while victim in HANDS and time.monotonic() < end and not self.torn(self.targets.of(victim)):
            time.sleep(0.02)

    def torn(self, pids: set[int]) -> dict[str, str]:
        """Return what these processes hold: each task with its lease."""
        return held_by(pids, self.stack.rows(HELD))

    def _may_be_struck(self) -> bool:
        """A third death parks a task, as it should: no task is struck more often than twice."""
        return all(row["failures"] < SPARED for row in self.stack.rows(HELD))

    def _goes_on(self, torn: dict[str, str]) -> bool:
        """Say whether each torn task is held anew or further on."""
        with suppress(*OUT_OF_REACH):
            now = {row["id"]: row["lease"] for row in self.stack.rows(HELD)}
            behind = {row["id"] for row in self.stack.rows(BEHIND)}
            return all(now.get(task) != lease and task not in behind for task, lease in torn.items())
        return False

    def _is_back(self, death: Death) -> bool:
        """Say whether another one is there, or nobody needs any, and the pages answer."""
        with suppress(*OUT_OF_REACH, EdgeUnavailable):
            is_there = not death.pids or death.victim in AT_NEED or bool(self._others(death))
            return is_there and self.stack.answers()
        return False

    def _others(self, death: Death) -> set[int]:
        return self.targets.of(death.victim) - death.pids

    def tell_where_it_stands(self) -> None:
        """Print what holds up what, for whoever looks into a drill that did not end."""
        for question in STANDS:
            for row in self.stack.rows(question):
                say(row)
        say(self.stack.last_words())

    def blame(self, users: Users) -> None:
        """Tell requests that died with what carried them from those that should have been answered."""
        self.report.requests = len(users.asked)
        for one in users.failed:
            was_inside = any(
                one.at <= death.ended and death.began <= one.at + one.took_s for death in self._cut_off()
            )
            was_full = (
                one.status == 500 and self.full_disk[0] <= one.at + one.took_s and one.at <= self.full_disk[1]
            )
            self.report.in_flight += was_inside
            self.report.refused_when_full += was_full and not was_inside
            if not (was_inside or was_full):
                self.report.requests_lost += 1
                self.report.losses.append(self._told(one))
        for death in self._cut_off():
            if (back := users.good_again_after(death.began)) is not None:
                self.report.users_back_s.setdefault(death.victim, []).append(back)

    def _cut_off(self) -> list[Death]:
        return [death for death in self.deaths if death.victim in CUT_USERS_OFF]

    def _told(self, asked: Asked) -> str:
        """Say how a request ended and who had died last before its end."""
        before = [(one.began, one.victim) for one in self.deaths if one.began <= asked.at + asked.took_s]
        at, victim = max(before, default=(asked.at, "nobody"))
        verb, ended = "POST" if asked.number else "GET", asked.status or asked.error
        return f"{verb} {ended}, {asked.at - at:+.2f} to {asked.at + asked.took_s - at:+.2f} s after {victim} died"


def held_by(pids: Collection[int], held: list[Row]) -> dict[str, str]:
    """Return the tasks among `held` that these processes hold, each with its lease."""
    return {row["id"]: row["lease"] for row in held if any(f":{pid}:" in row["leased_to"] for pid in pids)}
