"""How the factory works, computed from tasks, attempts and calls."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, F, Min, Q, Sum
from django.utils import timezone

from agents.gateway.models import Call
from approvals.models import Request
from core.clock import start_of_day
from factory.insight.rules import Waits, waits_of
from factory.work.models import Attempt, DeadLetter, Task, TaskEvent

MOST_WAITS = 5_000
"""How many of the last waits of the day are weighed."""


@dataclass(frozen=True)
class Day:
    """What happened since the UTC day of machine time began.

    Attributes:
        failed_by_class: attempts that failed.
        claims_begun_share: 0 to 1; None: no claim was made.
        heartbeats_missed: attempts whose worker went silent.
        attempts_by_agent: attempts that began.
    """

    completed: int
    failed_by_class: Mapping[str, int]
    claims: int
    claims_begun_share: float | None
    heartbeats_missed: int
    cost_microusd: int
    cost_by_agent: Mapping[str, int]
    attempts_by_agent: Mapping[str, int]


@dataclass(frozen=True)
class Metrics:
    """How the factory works now and today; `oldest_wait_s` None: nothing waits."""

    active: int
    depth_by_queue: Mapping[str, int]
    held: int
    oldest_wait_s: float | None
    waiting_for_owner: int
    dead_letters: int
    wait: Waits
    today: Day


def metrics_now() -> Metrics:
    """Return how the factory works. Source: R-04.24, R-01.21."""
    now = timezone.now()
    ready = Task.objects.filter(state=Task.State.READY)
    oldest = Task.objects.claimable().order_by().aggregate(since=Min("ready_at"))["since"]
    depths = Task.objects.claimable().order_by().values_list("queue").annotate(n=Count("pk"))
    return Metrics(
        active=Task.objects.leased().count(),
        depth_by_queue=dict(depths),
        held=ready.exclude(held="").count(),
        oldest_wait_s=(now - oldest).total_seconds() if oldest else None,
        waiting_for_owner=Request.objects.waiting().count(),
        dead_letters=DeadLetter.objects.filter(resolution="").count(),
        wait=_waits(start_of_day(now)),
        today=_day(start_of_day(now)),
    )


def _waits(since: datetime) -> Waits:
    begun = Attempt.objects.filter(claimed_at__gte=since, task__ready_at__lte=F("claimed_at")).order_by(
        "-claimed_at"
    )
    pairs = begun.values_list("task__ready_at", "claimed_at")[:MOST_WAITS]
    return waits_of([(claimed - ready).total_seconds() for ready, claimed in pairs if ready])


def _day(since: datetime) -> Day:
    claims = Attempt.objects.filter(claimed_at__gte=since).aggregate(
        made=Count("pk"), begun=Count("pk", filter=Q(started_at__isnull=False))
    )
    ended = Attempt.objects.filter(ended_at__gte=since)
    failed = ended.filter(state__in=(Attempt.State.FAILED, Attempt.State.LOST)).order_by()
    calls = Call.objects.since(since).order_by()
    by_agent = calls.values_list("agent").annotate(total=Sum("cost_microusd"))
    began = Attempt.objects.filter(started_at__gte=since, agent__isnull=False).order_by()
    return Day(
        completed=TaskEvent.objects.filter(at__gte=since, new=Task.State.COMPLETED).count(),
        failed_by_class=dict(failed.values_list("error_class").annotate(n=Count("pk"))),
        claims=claims["made"],
        claims_begun_share=claims["begun"] / claims["made"] if claims["made"] else None,
        heartbeats_missed=ended.filter(state=Attempt.State.LOST, started_at__isnull=False).count(),
        cost_microusd=calls.total_microusd(),
        cost_by_agent={agent: total or 0 for agent, total in by_agent},
        attempts_by_agent=dict(began.values_list("agent__name").annotate(n=Count("pk"))),
    )
