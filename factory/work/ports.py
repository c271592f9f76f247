"""What the engine needs from a database: take tasks from the head of the line, and let them be done."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from core.registry import Json


@dataclass(frozen=True)
class Wish:
    """What a worker would take.

    Attributes:
        queues: whose tasks.
        worker: who takes them.
        now: machine time by the database's clock.
        leased_until: how long the claim lives without a sign of life.
        is_begun: the attempts begin with the claim; else they are begun one by one.
        at_most: of quick jobs; of everything else one is taken.
        is_urgent_only: nothing but critical work.
    """

    queues: tuple[str, ...]
    worker: str
    now: datetime
    leased_until: datetime
    is_begun: bool = False
    at_most: int = 1
    is_urgent_only: bool = False


@dataclass(frozen=True)
class Before:
    """What a task before this one came to; `made` says whether there are artifacts too."""

    key: str
    result: Json | None
    made: bool


@dataclass(frozen=True)
class Taken:
    """One claimed task, with what an assignment needs of its row and of the rows around it."""

    attempt_id: UUID
    task_id: UUID
    dag_id: UUID
    agent_id: UUID | None
    fence: int
    failures: int
    kind: str
    type: str
    queue: str
    title: str
    brief: str
    validator: str
    arguments: Json
    answer_schema: Json | None
    workspace: Json | None
    may_write: list[str]
    decisions: Json
    scopes: tuple[UUID, ...]
    depth: int
    cap_microusd: int
    correlation_id: UUID | None
    is_first: bool
    waited_for: int
    before: tuple[Before, ...]


@dataclass(frozen=True)
class Refused:
    """The head of the line may not start: `why` is `frozen`, or `budget:` and the scope that has nothing left."""

    task_id: UUID
    why: str


@dataclass(frozen=True)
class Take:
    """What came of a wish: tasks, or a refused head, or a head that somebody else was faster with, or nothing."""

    taken: tuple[Taken, ...] = ()
    refused: Refused | None = None
    is_raced: bool = False


@dataclass(frozen=True)
class Done:
    """An attempt whose task is done with it.

    Attributes:
        actor: who accepts the result.
        result: what it is, as JSON; None: it was stored when it was offered.
        is_judged: the task stood before a judge; else it runs, and passes that state on the way.
    """

    attempt_id: UUID
    task_id: UUID
    dag_id: UUID
    worker: str
    has_agent: bool
    actor: str
    reason: str
    result: str | None = None
    is_judged: bool = False


@dataclass(frozen=True)
class Freed:
    """What followed from tasks that are done.

    Attributes:
        queues: of each task that became ready behind them.
        due: those of them that have a due time.
        over: graphs of which nothing is left to do.
    """

    queues: tuple[str, ...] = ()
    due: tuple[UUID, ...] = ()
    over: tuple[UUID, ...] = ()


@dataclass(frozen=True)
class Turn:
    """What came of ending attempts and of a wish for more, in one go; `held`: those that still had their task."""

    held: frozenset[UUID]
    freed: Freed
    take: Take


class Line(Protocol):
    """The line of ready tasks in one kind of database; every call happens inside a transaction of the caller."""

    def take(self, wish: Wish) -> Take:
        """Claim the head of the line: rows of pauses shared, one permit of each limit, task, attempt and history."""

    def is_waiting(self, queues: Sequence[str]) -> bool:
        """Say whether anything is ready in these queues."""

    def turn(self, done: Sequence[Done], wish: Wish | None, *, now: datetime) -> Turn:
        """Lock the graphs and tasks of these attempts, complete those that still run, then take what is wished for.

        An end takes two statements: only the second sees edges that were committed while the first one waited.
        """

    def complete(self, done: Sequence[Done], *, now: datetime) -> Freed:
        """Let the tasks of these attempts be done, count down what waits for them, find graphs that are over."""
