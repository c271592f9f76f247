"""Every number of R-08.11, from rows, with the same few questions however many rows there are.

Counters count since the UTC day of machine time began: a monitor sees a restart at midnight, as after a restart of a
process. So each is read from an index, and every process of the factory gives the same numbers.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Count, DurationField, ExpressionWrapper, F, Q, Sum
from django.utils import timezone

from agents.gateway.models import Call, Provider
from agents.roster.models import Agent
from agents.runtime.models import Session, Turn
from approvals.models import Request
from billing.models import CostHour, Scope, Switch, Window
from billing.services import open_switches
from core.clock import start_of_day
from core.ids import first_id_of
from core.models import Event, Process
from core.services import business_now
from factory.insight.models import Export, ExportItem
from factory.insight.rules.measures import Family, Labels, Sample, bounded, labels_of
from factory.insight.services.metrics import Metrics, metrics_now
from factory.work.models import Attempt, TaskEvent

PACE: Final = timedelta(minutes=5)
BOUNDS_S: Final = (0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
TOKENS: Final = ("prompt", "completion", "cached", "cache_write", "reasoning")
_OVER: Final = ("completed", "failed", "retrying", "dead_letter", "cancelled")


def families_now() -> tuple[Family, ...]:
    """Return all that a monitor reads, at most 5,000 series."""
    now = timezone.now()
    day, business = start_of_day(now), business_now()
    return bounded(
        [
            *_calls(day),
            _latency(day),
            _products(business),
            *_budgets(business),
            _pace(now),
            *_switches(),
            *_work(day, metrics_now()),
            *_effort(day),
            *_ground(now, day),
        ]
    )


def _calls(day: datetime) -> list[Family]:
    rows = (
        Call.objects.since(day)
        .order_by()
        .values("agent", "model__name", "model__provider", "status")
        .annotate(
            calls=Count("pk"),
            cost=Sum("cost_microusd"),
            again=Count("pk", filter=Q(fallback_from__isnull=False)),
            repeats=Count("pk", filter=Q(repeats_id__isnull=False)),
            **{kind: Sum(f"{kind}_tokens") for kind in TOKENS},
        )
    )
    keyed = [(_of_call(row), row) for row in rows]
    by_state = tuple(
        Sample(labels_of(**dict(labels), state=row["status"]), row["calls"])
        for labels, row in keyed
        if row["status"] != Call.Status.OPEN
    )
    return [
        Family("factory_calls", "counter", "Tries at model calls, by how they ended.", by_state),
        _calls_open(),
        Family(
            "factory_calls_cost_microusd", "counter", "What settled calls cost.", _summed(keyed, "cost")
        ),
        Family(
            "factory_fallbacks", "counter", "Calls made because another failed.", _summed(keyed, "again")
        ),
        Family(
            "factory_repeats", "counter", "Calls answered from memory, for nothing.", _summed(keyed, "repeats")
        ),
        *(
            Family(
                f"factory_{kind}_tokens", "counter", f"Tokens billed as {kind.replace('_', ' ')}.", _summed(keyed, kind)
            )
            for kind in TOKENS
        ),
    ]  # fmt: skip


def _calls_open() -> Family:
    rows = (
        Call.objects.filter(status=Call.Status.OPEN)
        .order_by()
        .values("agent", "model__name", "model__provider")
    )
    samples = tuple(Sample(_of_call(row), row["calls"]) for row in rows.annotate(calls=Count("pk")))
    return Family("factory_calls_open", "gauge", "Tries at model calls that wait for an answer.", samples)


def _of_call(row: Mapping[str, Any]) -> Labels:
    return labels_of(agent=row["agent"], model=row["model__name"], provider=row["model__provider"])


def _summed(rows: Iterable[tuple[Labels, Mapping[str, Any]]], name: str) -> tuple[Sample, ...]:
    sums: Counter[Labels] = Counter()
    for labels, row in rows:
        sums[labels] += row[name] or 0
    return _samples(sums)


def _samples(sums: Mapping[Labels, float]) -> tuple[Sample, ...]:
    return tuple(Sample(labels, value) for labels, value in sums.items())


def _latency(day: datetime) -> Family:
    took = ExpressionWrapper(F("ended_at") - F("started_at"), output_field=DurationField())
    ended = Call.objects.since(day).filter(ended_at__isnull=False).order_by().annotate(took=took)
    within = {
        f"within_{place}": Count("pk", filter=Q(took__lte=timedelta(seconds=bound)))
        for place, bound in enumerate(BOUNDS_S)
    }
    rows: Iterable[Mapping[str, Any]] = ended.values("model__name", "model__provider").annotate(
        calls=Count("pk"), total=Sum("took"), **within
    )
    samples = tuple(
        Sample(
            labels_of(model=row["model__name"], provider=row["model__provider"]),
            row["total"].total_seconds(),
            tuple((bound, row[f"within_{place}"]) for place, bound in enumerate(BOUNDS_S)),
            row["calls"],
        )
        for row in rows
    )
    return Family("factory_call_seconds", "histogram", "How long tries at model calls took.", samples)


def _products(business: datetime) -> Family:
    hours = CostHour.objects.between(business.date(), business.date()).filter(scope__kind=Scope.Kind.PRODUCT)
    rows = hours.order_by().values_list("scope__ref").annotate(total=Sum("amount_microusd"))
    samples = tuple(Sample(labels_of(product=ref), total) for ref, total in rows)
    return Family(
        "factory_product_cost_microusd", "gauge", "All that a product cost in the UTC day of business time.", samples
    )  # fmt: skip


def _budgets(business: datetime) -> list[Family]:
    windows = Window.objects.at(business).exclude(
        scope__kind__in=(Scope.Kind.TASK, Scope.Kind.DAG, Scope.Kind.SESSION)
    )
    rows = list(windows.select_related("scope").only(
        "scope__kind", "scope__ref", "period", "cap_microusd", "spent_microusd", "held_microusd"
    ))  # fmt: skip
    left = tuple(
        Sample(_of_window(row), max(0, row.cap_microusd - row.spent_microusd - row.held_microusd))
        for row in rows
    )
    used = tuple(Sample(_of_window(row), row.used_share) for row in rows)
    return [
        Family("factory_budget_left_microusd", "gauge", "What may still be spent or held.", left),
        Family(
            "factory_budget_used_share", "gauge", "Spent and held of the cap, 0 to 1.", used, merges="max"
        ),
    ]


def _of_window(row: Window) -> Labels:
    kind, ref = row.scope.kind, row.scope.ref
    if kind in (Scope.Kind.AGENT, Scope.Kind.PRODUCT):
        return labels_of(**{kind: ref}, state=row.period)
    return labels_of(state=row.period if kind == Scope.Kind.FACTORY else f"{kind} {ref} {row.period}")


def _pace(now: datetime) -> Family:
    ended = Call.objects.since(now - timedelta(hours=1)).filter(ended_at__gte=now - PACE)
    rows = ended.order_by().values_list("agent").annotate(total=Sum("cost_microusd"))
    minutes = PACE.total_seconds() / 60
    samples = tuple(Sample(labels_of(agent=agent), (total or 0) / minutes) for agent, total in rows)
    return Family(
        "factory_pace_microusd_per_minute", "gauge", "Spent by calls that ended in the last 5 minutes.", samples
    )  # fmt: skip


def _switches() -> list[Family]:
    open_now = Counter(one.kind for one in open_switches())
    off = {
        "agents": Agent.objects.filter(is_enabled=False).count(),
        "providers": Provider.objects.filter(is_enabled=False).count(),
    }
    by_kind = _by_state((kind, open_now[kind]) for kind in Switch.Kind.values)
    return [
        Family("factory_switches", "gauge", "Switches that are set now, by kind.", by_kind),
        Family("factory_switched_off", "gauge", "Agents and model makers taken out.", _by_state(off.items())),
    ]


def _work(day: datetime, told: Metrics) -> list[Family]:
    over = TaskEvent.objects.filter(at__gte=day, new__in=_OVER).order_by()
    tasks = over.values_list("new").annotate(n=Count("pk"))
    tries = (
        Attempt.objects.filter(claimed_at__gte=day)
        .order_by()
        .values_list("agent__name", "state")
        .annotate(n=Count("pk"))
    )
    waits = {"p50": told.wait.p50_s, "p95": told.wait.p95_s, "p99": told.wait.p99_s}
    depth = tuple(Sample(labels_of(state=queue), n) for queue, n in told.depth_by_queue.items())
    return [
        Family("factory_tasks", "counter", "Tasks, by what became of them.", _by_state(tasks)),
        Family("factory_attempts", "counter", "Tries at tasks, by how they stand.", tuple(
            Sample(labels_of(agent=agent or "", state=state), n) for agent, state, n in tries
        )),
        _one("factory_attempts_running", "Tries that run now.", told.active),
        Family("factory_queue_depth", "gauge", "Ready tasks, by queue.", depth),
        _one("factory_queue_held", "Ready tasks kept out of the line.", told.held),
        _one("factory_queue_oldest_wait_seconds", "How long the first in line has waited.", told.oldest_wait_s or 0),
        Family("factory_queue_wait_seconds", "gauge", "How long tasks waited for a worker today.", tuple(
            Sample(labels_of(state=name), wait) for name, wait in waits.items() if wait is not None
        ), merges="max"),
        _one("factory_dead_letters", "Tasks given up that wait for the owner.", told.dead_letters),
        Family("factory_heartbeats_missed", "counter", "Tries whose worker went silent.", (
            Sample((), told.today.heartbeats_missed),
        )),
    ]  # fmt: skip


def _effort(day: datetime) -> list[Family]:
    since = first_id_of(day)
    steps = (
        Turn.objects.filter(pk__gte=since)
        .order_by()
        .values_list("session__agent__name")
        .annotate(n=Count("pk"))
    )
    begun = Session.objects.filter(pk__gte=since).order_by().values_list("agent__name")
    counted = begun.annotate(n=Count("pk"), raised=Count("pk", filter=Q(tier_steps__gt=0)))
    sessions, escalated = {}, {}
    for agent, n, raised in counted:
        sessions[labels_of(agent=agent)], escalated[labels_of(agent=agent)] = n, raised
    turns = {labels_of(agent=agent): n for agent, n in steps}
    mean = {labels: turns.get(labels, 0) / n for labels, n in sessions.items()}
    return [
        Family("factory_steps", "counter", "Answers of models that agents worked with.", _samples(turns)),
        Family(
            "factory_steps_per_attempt",
            "gauge",
            "Answers of models per try today.",
            _samples(mean),
            merges="max",
        ),
        Family(
            "factory_escalations",
            "counter",
            "Tries at a higher tier than the agent's own.",
            _samples(escalated),
        ),
    ]


def _ground(now: datetime, day: datetime) -> list[Family]:
    facts = {
        "waiting": Event.objects.waiting().count(),
        "parked": Event.objects.filter(parked_at__isnull=False).count(),
    }
    processes = {"alive": Process.objects.alive(now).count(), "silent": Process.objects.silent(now).count()}
    so_far = Export.objects.filter(pk=1).first() or Export()
    asked = Request.objects.filter(Q(state=Request.State.PENDING) | Q(pk__gte=first_id_of(day)))
    return [
        Family("factory_events", "gauge", "Facts not delivered yet, and facts given up.", _by_state(facts.items())),
        Family("factory_processes", "gauge", "Processes that live, and that went silent.", _by_state(processes.items())),
        Family("factory_export", "gauge", "What waits to be told to a trace store, was told, was dropped.", _by_state(
            {"waiting": ExportItem.objects.count(), "sent": so_far.sent, "dropped": so_far.dropped}.items()
        )),
        Family("factory_approvals", "gauge", "Questions that wait, and those of today by their answer.", _by_state(
            asked.order_by().values_list("state").annotate(n=Count("pk"))
        )),
    ]  # fmt: skip


def _by_state(counts: Iterable[tuple[str, int]]) -> tuple[Sample, ...]:
    return tuple(Sample(labels_of(state=state), n) for state, n in counts)


def _one(name: str, words: str, value: float) -> Family:
    return Family(name, "gauge", words, (Sample((), value),))
