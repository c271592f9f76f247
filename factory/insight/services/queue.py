"""The queue as people ask about it: what is at work, what is ready, what waits and for what."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db.models import Count, Min, Q

from factory.work.models import Dag, DeadLetter, Queue, Task
from factory.work.services import shut_agents

BANDS: Final = (("Urgent", 10), ("High", 30), ("Normal", 60), ("Low", 80), ("Background", 101))
"""Priorities by name: each band reaches to below its number."""
MOST_NAMES: Final = 3
_KINDS: Final = {
    Task.State.PENDING: "steps",
    Task.State.WAITING: "children",
    Task.State.VALIDATING: "judge",
    Task.State.RETRYING: "retry",
}
_WAITING: Final = tuple(_KINDS)
_ORDER: Final = ("you", "steps", "cut", "children", "judge", "retry")
Group = tuple[Any, ...]
"""Name of a venture, how many, since when, and for the next try until when."""


@dataclass(frozen=True)
class Wait:
    """Tasks that wait for the same.

    Attributes:
        kind: `you`, `steps`, `cut`, `children`, `judge`, `retry`, `held`, `agent`, `queue`.
        what: whom or what exactly, in words; empty: the kind says it.
        since: the oldest of them, machine time.
        until: when the first of them goes on by itself; None: that is not known.
        products: the ventures with most of them, and how many each.
    """

    kind: str
    what: str
    count: int
    since: datetime | None
    until: datetime | None = None
    products: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Band:
    """Ready tasks of one priority: how many in each queue, in the order of `QUEUES`, and the oldest."""

    name: str
    counts: tuple[int, ...]
    since: datetime | None

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(self.counts)


QUEUES: Final = tuple(Queue.Name.values)


@dataclass(frozen=True)
class QueueNow:
    """The queue at one moment."""

    at_work: int
    agents_at_work: int
    ready: int
    ready_since: datetime | None
    waiting: int
    for_you: int
    gave_up: int
    waits: tuple[Wait, ...]
    bands: tuple[Band, ...]
    paused: tuple[str, ...]

    @property
    def by_queue(self) -> tuple[int, ...]:
        """How many are ready in each queue."""
        return tuple(sum(band.counts[index] for band in self.bands) for index in range(len(QUEUES)))


def queue_now() -> QueueNow:
    """Return what the queue looks like; the number of queries does not grow with the tasks. Source: R-04.24."""
    at_work = Task.objects.leased().values_list("agent_id", flat=True)
    ready, paused = _ready(), _paused()
    bands = _bands(ready)
    waits = (*_waits_by_state(), *_held(), *_shut_lanes(ready), *_paused_queues(ready, paused=paused))
    states = [wait for wait in waits if wait.kind not in ("agent", "queue")]
    return QueueNow(
        at_work=len(at_work),
        agents_at_work=len({agent for agent in at_work if agent}),
        ready=sum(band.total for band in bands),
        ready_since=min((band.since for band in bands if band.since), default=None),
        waiting=sum(wait.count for wait in states),
        for_you=sum(wait.count for wait in states if wait.kind == "you"),
        gave_up=DeadLetter.objects.filter(resolution="").count(),
        waits=waits,
        bands=bands,
        paused=paused,
    )


@dataclass(frozen=True)
class _Ready:
    """Ready tasks of one queue, priority and agent: how many, and since when the oldest."""

    queue: str
    priority: int
    agent: UUID | None
    count: int
    since: datetime | None


def _ready() -> list[_Ready]:
    rows = Task.objects.claimable().order_by().values_list("queue", "priority", "agent_id")
    return [_Ready(*row) for row in rows.annotate(n=Count("pk"), since=Min("ready_at"))]


def _paused() -> tuple[str, ...]:
    return tuple(Queue.objects.filter(is_paused=True).order_by("name").values_list("name", flat=True))


def _bands(ready: Iterable[_Ready]) -> tuple[Band, ...]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    oldest: dict[str, list[datetime]] = defaultdict(list)
    for one in ready:
        name = next(band for band, below in BANDS if one.priority < below)
        counts[name][one.queue] += one.count
        oldest[name] += [one.since] if one.since else []
    return tuple(
        Band(name, tuple(counts[name][queue] for queue in QUEUES), min(oldest[name], default=None))
        for name, _ in BANDS
    )


def _waits_by_state() -> list[Wait]:
    """What waits by its state alone: one count of everything that is not over, one of what cannot start."""
    waiting = Task.objects.open().filter(state__in=_WAITING).order_by()
    groups = waiting.annotate(asks=Q(question__isnull=False)).values_list(
        "state", "asks", "dag__product__name"
    )
    rows: dict[str, list[Group]] = defaultdict(list)
    for state, asks, name, *numbers in groups.annotate(
        n=Count("pk"), since=Min("changed_at"), until=Min("not_before")
    ):
        rows["you" if asks else _KINDS[state]].append((name, *numbers))
    rows["cut"] = _cut()
    blocked = {name: number for name, number, *_ in rows["cut"]}
    rows["steps"] = [
        (name, left, *rest)
        for name, number, *rest in rows["steps"]
        if (left := number - blocked.get(name, 0))
    ]
    return [wait for kind in _ORDER for wait in _summed(kind, rows[kind])]


def _cut() -> list[Group]:
    under_way = list(Dag.objects.filter(closed_at=None).values_list("pk", flat=True))
    found = (
        Task.objects.blocked()
        .filter(dag__in=under_way)
        .order_by()
        .values_list("pk", "dag__product__name", "changed_at")
    )
    by_name: dict[str | None, list[datetime]] = defaultdict(list)
    for _, name, since in found:
        by_name[name].append(since)
    return [(name, len(moments), min(moments), None) for name, moments in by_name.items()]


def _summed(kind: str, groups: Iterable[Group]) -> list[Wait]:
    rows = sorted(groups, key=lambda row: -int(row[1]))
    if not rows:
        return []
    return [
        Wait(
            kind,
            "",
            count=sum(number for _, number, _, _ in rows),
            since=min(since for _, _, since, _ in rows),
            until=min((until for *_, until in rows if until), default=None) if kind == "retry" else None,
            products=tuple((name or "the factory", number) for name, number, _, _ in rows[:MOST_NAMES]),
        )
    ]


def _held() -> list[Wait]:
    """What is ready and kept out of the line, by the reason that stands with it."""
    held = Task.objects.filter(state=Task.State.READY).exclude(held="")
    rows = (
        held.order_by()
        .values_list("held", "dag__product__name")
        .annotate(n=Count("pk"), since=Min("ready_at"))
    )
    by_reason: dict[str, list[tuple[str | None, int, datetime, None]]] = defaultdict(list)
    for reason, product, number, since in rows:
        by_reason[reason.partition(":")[0]].append((product, number, since, None))
    found = []
    for reason, groups in sorted(by_reason.items()):
        kind = "you" if reason == "question" else "held"
        found += [
            Wait(kind, reason, one.count, one.since, None, one.products) for one in _summed(kind, groups)
        ]
    return found


def _shut_lanes(ready: Iterable[_Ready]) -> list[Wait]:
    """Ready tasks of agents that take no work now, and why."""
    shut = shut_agents()
    lanes: dict[str, list[_Ready]] = defaultdict(list)
    for one in ready:
        if one.agent in shut:
            lanes[shut[one.agent]].append(one)
    return [_wait("agent", why, lanes[why]) for why in sorted(lanes)]


def _paused_queues(ready: Iterable[_Ready], *, paused: Iterable[str]) -> list[Wait]:
    lines: dict[str, list[_Ready]] = {name: [] for name in paused}
    for one in ready:
        if one.queue in lines:
            lines[one.queue].append(one)
    return [_wait("queue", name, line) for name, line in lines.items() if line]


def _wait(kind: str, what: str, ready: Iterable[_Ready]) -> Wait:
    ready = list(ready)
    since = min((one.since for one in ready if one.since), default=None)
    return Wait(kind, what, sum(one.count for one in ready), since)


def given_up(*, at_most: int = 50) -> list[DeadLetter]:
    """Return what the factory gave up and nobody has dealt with, the oldest first."""
    letters = DeadLetter.objects.filter(resolution="").select_related("task__dag__product", "task__agent")
    return list(letters.order_by("created_at")[:at_most])
