"""What a drill leaves behind, counted from the rows: nothing here trusts what a process said."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from math import ceil
from typing import Final

from tests.flows.stack import Stack

PAID_TWICE: Final = """
    SELECT count(*) AS n FROM (
        SELECT a.task_id, c.step_key FROM gateway_call c JOIN work_attempt a ON a.id = c.assignment_id
        WHERE c.status = 'answered' GROUP BY a.task_id, c.step_key, c.prompt_sha256 HAVING count(*) > 1
    ) twice
"""
LOST: Final = """
    SELECT count(*) AS n FROM work_task t WHERE t.state = 'completed'
    AND NOT EXISTS (SELECT 1 FROM work_attempt a WHERE a.task_id = t.id AND a.state = 'done')
"""
"""Called done, and nobody did it."""
OVERTAKEN: Final = """
    SELECT count(*) AS n FROM work_dependency d
    JOIN work_task t ON t.id = d.task_id JOIN work_task e ON e.id = d.depends_on_id
    WHERE t.state = 'completed' AND e.state <> 'completed'
"""
"""Done before what it waits for."""
STUCK: Final = "SELECT count(*) AS n FROM work_task WHERE state NOT IN ('completed', 'cancelled')"
GRAPHS_OPEN: Final = "SELECT count(*) AS n FROM work_dag WHERE state NOT IN ('completed', 'cancelled')"
DOUBLED: Final = (
    # two versions of one product that both believe to be live
    "SELECT count(*) AS n FROM (SELECT r.product_id FROM delivery_release r WHERE r.state = 'live'"
    " GROUP BY r.product_id HAVING count(*) > 1) two",
    # one yes used by two releases
    "SELECT count(*) AS n FROM (SELECT r.decision_id FROM delivery_release r WHERE r.decision_id IS NOT NULL"
    " GROUP BY r.decision_id HAVING count(*) > 1) two",
    # one product for one idea
    "SELECT count(*) AS n FROM (SELECT p.opportunity_id FROM portfolio_product p GROUP BY p.opportunity_id"
    " HAVING count(*) > 1) two",
    # one call booked twice
    "SELECT count(*) AS n FROM (SELECT e.call_id FROM billing_entry e WHERE e.call_id IS NOT NULL AND NOT e.is_lost"
    " GROUP BY e.call_id HAVING count(*) > 1) two",
)
OPEN_HOLDS: Final = "SELECT count(*) AS n FROM billing_hold WHERE state = 'held'"
HELD: Final = "SELECT coalesce(sum(held_microusd), 0) AS n FROM billing_window"
UNEQUAL: Final = """
    SELECT (SELECT coalesce(sum(cost_microusd), 0) FROM gateway_call)
    - (SELECT coalesce(sum(amount_microusd), 0) FROM billing_entry WHERE kind = 'model_call') AS n
"""
"""What every call cost, those whose end nobody knows at their bound, is everything the ledger says of models."""
MOST_TOLD: Final = 20
LEASES: Final = 1.35
"""Recovery may take this many leases."""
BACK_S: Final = {"guard": 2.0, "proxy": 1.0, "product": 1.0}
"""Within this time after the death of what carries them, users get a good answer."""


@dataclass
class Report:
    """What one drill did and what it cost; every number but `kills` and `recoveries_s` should be 0.

    Attributes:
        kills: SIGKILLs by victim.
        faults: other trouble made, in words.
        recoveries_s: after each kill, seconds until what it interrupted went on.
        lease_s: the lease the factory ran with.
        requests: of users of the live product.
        in_flight: their requests that died with the product, its proxy or its guard: those alone may.
        refused_when_full: reports a product could not write down because the disk was full; it said so (500).
        losses: each lost request in words.
        users_back_s: after each such death, by victim, seconds until the next good answer.
    """

    profile: str
    lease_s: float
    kills: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    recoveries_s: list[float] = field(default_factory=list)
    tasks: int = 0
    tasks_lost: int = 0
    tasks_stuck: int = 0
    effects_doubled: int = 0
    paid_steps_repeated: int = 0
    books_wrong: int = 0
    requests: int = 0
    requests_lost: int = 0
    losses: list[str] = field(default_factory=list)
    in_flight: int = 0
    refused_when_full: int = 0
    users_back_s: dict[str, list[float]] = field(default_factory=dict)
    posts_doubled: int = 0
    posts_lost: int = 0
    seconds: float = 0.0

    def count(self, stack: Stack) -> None:
        """Read the rows of a factory that has nothing to do any more."""

        def of(*questions: str) -> int:
            return sum(int(stack.value(question)) for question in questions)

        self.tasks = of("SELECT count(*) AS n FROM work_task")
        self.tasks_lost, self.tasks_stuck = of(LOST, OVERTAKEN), of(STUCK, GRAPHS_OPEN)
        self.effects_doubled, self.paid_steps_repeated = of(*DOUBLED), of(PAID_TWICE)
        self.books_wrong = of(OPEN_HOLDS, HELD) + abs(of(UNEQUAL))

    @property
    def is_clean(self) -> bool:
        """Whether the promises held."""
        wrong = (
            self.tasks_lost, self.tasks_stuck, self.effects_doubled, self.paid_steps_repeated, self.books_wrong,
            self.requests_lost, self.posts_doubled, self.posts_lost,
        )  # fmt: skip
        return not any(wrong) and self.slowest_s <= LEASES * self.lease_s and self._users_are_back_in_time

    @property
    def _users_are_back_in_time(self) -> bool:
        return all(max(waits) <= BACK_S[victim] for victim, waits in self.users_back_s.items())

    @property
    def slowest_s(self) -> float:
        """Return the longest recovery in seconds; 0 when nothing was killed."""
        return max(self.recoveries_s, default=0.0)

    def _worst_waits(self) -> str:
        return ", ".join(
            f"{victim} {said(max(waits))}" for victim, waits in sorted(self.users_back_s.items())
        )

    def as_json(self) -> str:
        """Return one line for a machine."""
        told = {
            **asdict(self),
            "recovery_p50_s": quantile(self.recoveries_s, 0.5),
            "recovery_p99_s": quantile(self.recoveries_s, 0.99),
        }
        return json.dumps(told)

    def lines(self) -> list[tuple[str, str]]:
        """Return rows of a table for a person."""
        p50, p99 = quantile(self.recoveries_s, 0.5), quantile(self.recoveries_s, 0.99)
        killed = ", ".join(f"{name} {times}" for name, times in sorted(self.kills.items()))
        return [
            ("kills", f"{sum(self.kills.values())} ({killed})"),
            ("other faults", "; ".join(self.faults) or "none"),
            ("tasks, lost, stuck", f"{self.tasks}, {self.tasks_lost}, {self.tasks_stuck}"),
            ("effects doubled", str(self.effects_doubled)),
            ("paid steps repeated", str(self.paid_steps_repeated)),
            ("books that do not agree", f"{self.books_wrong} micro-dollars or rows"),
            ("users' requests, lost", f"{self.requests}, {self.requests_lost}"),
            *([("of those", "; ".join(self.losses[:MOST_TOLD]))] if self.losses else []),
            ("in flight when proxy, guard or product died", str(self.in_flight)),
            ("refused while the disk was full", str(self.refused_when_full)),
            ("next good answer after those, worst", self._worst_waits()),
            ("reports doubled, lost", f"{self.posts_doubled}, {self.posts_lost}"),
            ("recovery p50, p99", f"{said(p50)}, {said(p99)} (lease {self.lease_s:g} s)"),
            ("took", said(self.seconds)),
        ]


def quantile(values: Sequence[float], share: float) -> float | None:
    """Return the value below which `share` of the values lie; None of none."""
    return sorted(values)[ceil(share * len(values)) - 1] if values else None


def said(seconds: float | None) -> str:
    """Return seconds in words."""
    return "not known" if seconds is None else f"{seconds:.1f} s"
