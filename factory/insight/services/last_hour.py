"""What is to be known before a stopped factory goes on: who spent most within the last hour, and what may have run in a circle."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import Count, Sum

from agents.gateway.models import Call
from factory.work.models import Attempt

HOUR: Final = timedelta(hours=1)
AT_MOST: Final = 5
MANY_CALLS: Final = 20
"""So many calls of one attempt within an hour are worth a look."""


@dataclass(frozen=True)
class Spender:
    """What one agent spent within the last hour."""

    agent: str
    cost_microusd: int
    calls: int


@dataclass(frozen=True)
class Circle:
    """One attempt that may have run in a circle.

    Attributes:
        words: why it was ended; empty: it made many calls, nothing ended it.
    """

    attempt_id: UUID
    title: str
    agent: str
    calls: int
    cost_microusd: int
    words: str


@dataclass(frozen=True)
class LastHour:
    """The dearest agents, and attempts that were ended as stuck or asked very often; the worst first. Source: R-08.17."""

    spenders: tuple[Spender, ...]
    circles: tuple[Circle, ...]


def last_hour(now: datetime) -> LastHour:
    """Return what happened within the hour before machine time `now`."""
    since = now - HOUR
    calls = Call.objects.since(since).order_by()
    by_agent = calls.values_list("agent").annotate(cost=Sum("cost_microusd"), n=Count("pk"))
    spenders = [Spender(agent, cost, n) for agent, cost, n in by_agent.order_by("-cost")[:AT_MOST] if cost]
    return LastHour(tuple(spenders), _circles(since))


def _circles(since: datetime) -> tuple[Circle, ...]:
    calls = Call.objects.since(since).order_by().values_list("assignment_id")
    often = calls.annotate(n=Count("pk"), cost=Sum("cost_microusd")).filter(n__gte=MANY_CALLS)
    counts = {pk: (n, cost or 0) for pk, n, cost in often.order_by("-n")[: 4 * AT_MOST]}
    columns = ("pk", "task__title", "agent__name", "error")
    stuck = Attempt.objects.filter(ended_at__gte=since, error_class="stuck").order_by("-ended_at")
    rows = list(stuck.values_list(*columns)[:AT_MOST])
    busy = Attempt.objects.filter(pk__in=set(counts) - {row[0] for row in rows})
    rows += [(pk, title, agent, "") for pk, title, agent, _ in busy.values_list(*columns)]
    found = [
        Circle(pk, title, agent or "", *counts.get(pk, (0, 0)), words) for pk, title, agent, words in rows
    ]
    return tuple(sorted(found, key=lambda one: (not one.words, -one.calls))[:AT_MOST])
