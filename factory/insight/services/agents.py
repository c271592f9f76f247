"""Agents as they stand: status, work, money, and what became of their work. No model is asked."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final
from uuid import UUID

from django.db.models import Count, Max, Q, Sum
from django.utils import timezone

from agents.gateway.models import Call
from agents.roster.models import Agent, AgentVersion
from approvals.models import Request
from billing.models import CostHour, Entry, Period
from core.clock import start_of_month
from core.models import Process
from factory.insight.rules import BAR_DAYS, amounts_by_day
from factory.insight.services.costs import purses_of
from factory.insight.services.money import Purse
from factory.insight.services.products import cost_by_attempt
from factory.insight.services.work import AtWork, who_works
from factory.work.models import Attempt, Task

QUEUES: Final = frozenset({"cloud", "build"})
"""Where agents' work waits."""
RECENT: Final = 12
MEAN_OF: Final = 100
"""The last results of the month, of which the mean length is taken."""
TURNED_DOWN: Final = ("rejected", "changed")


@dataclass(frozen=True)
class Record:
    """What became of an agent's attempts since a moment.

    Attributes:
        tried: attempts that are over; those that were never begun or ended by others count nothing.
        overruled, answered: questions of it that the owner answered with a no or a change, and all answered ones.
        mean_s: mean length of the last accepted attempts in machine time; None: there were none, or nobody asked.
    """

    accepted: int = 0
    failed: int = 0
    overruled: int = 0
    answered: int = 0
    mean_s: float | None = None

    @property
    def tried(self) -> int:
        """How many attempts were accepted or failed."""
        return self.accepted + self.failed

    @property
    def override_share(self) -> float | None:
        """How often the owner decided otherwise, 0 to 1; None: nothing was asked."""
        return self.overruled / self.answered if self.answered else None


NONE: Final[tuple[Record, datetime | None]] = (Record(), None)


@dataclass(frozen=True)
class AgentNow:
    """One agent as lists show it."""

    agent: Agent
    status: str
    work: tuple[AtWork, ...]
    waiting: int
    today: Purse
    month_microusd: int
    record: Record
    idle_since: datetime | None

    @property
    def cost_of_one_microusd(self) -> int | None:
        """What one accepted result cost this month, failed tries included; None: nothing was accepted."""
        return self.month_microusd // self.record.accepted if self.record.accepted else None


def agents_now(now: datetime) -> tuple[AgentNow, ...]:
    """Return all agents: who works first, then who waits for the owner, then by name."""
    agents = list(Agent.objects.select_related("version").order_by("name"))
    work: dict[str, list[AtWork]] = defaultdict(list)
    for one in who_works():
        work[one.agent].append(one)
    waiting = Counter(
        asker.partition(":")[2] for asker in Request.objects.waiting().values_list("asked_by", flat=True)
    )
    purses = purses_of([agent.scope_id for agent in agents], period=Period.DAY, now=now)
    month, records = _month_costs(now), _records(start_of_month(now))
    is_reachable = has_worker()
    found = [
        AgentNow(
            agent=agent,
            status=agent.status(is_busy=bool(work[agent.name]), is_reachable=is_reachable),
            work=tuple(work[agent.name]),
            waiting=waiting[agent.name],
            today=purses[agent.scope_id],
            month_microusd=month[agent.name],
            record=records.get(agent.pk, NONE)[0],
            idle_since=records.get(agent.pk, NONE)[1],
        )
        for agent in agents
    ]
    return tuple(sorted(found, key=lambda one: (not one.work, not one.waiting, one.agent.name)))


def has_worker() -> bool:
    """Say whether a process that takes agents' work was seen within 90 seconds."""
    queues = Process.objects.alive(timezone.now()).values_list("queues", flat=True)
    return any(QUEUES & set(names) for names in queues)


def _month_costs(now: datetime) -> Counter[str]:
    month = CostHour.objects.between(start_of_month(now).date(), now.astimezone(UTC).date())
    sums = month.exclude(agent="").values_list("agent").annotate(total=Sum("amount_microusd")).order_by()
    return Counter(dict(sums))


def _records(since: datetime) -> dict[UUID, tuple[Record, datetime | None]]:
    """Return each agent's accepted and failed attempts since this machine time, and when the last one ended."""
    begun = Attempt.objects.filter(agent__isnull=False, claimed_at__gte=since).order_by()
    counts: dict[UUID, Counter[str]] = defaultdict(Counter)
    last: dict[UUID, datetime] = {}
    groups = begun.values_list("agent", "state").annotate(n=Count("pk"), last=Max("ended_at"))
    for agent, state, number, ended in groups:
        if agent:
            counts[agent][state] += number
            last[agent] = max(filter(None, (last.get(agent), ended)), default=since)
    return {
        agent: (Record(states["done"], states["failed"] + states["lost"]), last.get(agent))
        for agent, states in counts.items()
    }


@dataclass(frozen=True)
class Done:
    """One piece of recent work."""

    attempt: Attempt
    cost_microusd: int
    product: str
    slug: str


@dataclass(frozen=True)
class AgentCard:
    """Everything the page of one agent shows.

    Attributes:
        by_day: what it cost on each of the last fourteen UTC days, today last.
        models: what it cost this month, by model.
        versions: of its definition, the newest first.
    """

    now: AgentNow
    record: Record
    by_day: tuple[int, ...]
    share_of_month: float | None
    models: tuple[tuple[str, int], ...]
    recent: tuple[Done, ...]
    waiting_tasks: int
    versions: tuple[AgentVersion, ...]


def agent_card(name: str, *, now: datetime) -> AgentCard | None:
    """Return one agent whole; None: there is none of this name."""
    found = next((one for one in agents_now(now) if one.agent.name == name), None)
    if found is None:
        return None
    agent, today = found.agent, now.astimezone(UTC).date()
    return AgentCard(
        now=found,
        record=_whole_record(agent, found.record, since=start_of_month(now)),
        by_day=_by_day(agent, last=today),
        share_of_month=_share(found.month_microusd, now=now),
        models=_by_model(agent, first=start_of_month(now).date(), last=today),
        recent=_recent(agent),
        waiting_tasks=Task.objects.filter(agent=agent, state=Task.State.READY).count(),
        versions=tuple(AgentVersion.objects.filter(name=agent.name).order_by("-created_at", "-pk")[:5]),
    )


def _whole_record(agent: Agent, record: Record, *, since: datetime) -> Record:
    done = Attempt.objects.filter(agent=agent, state=Attempt.State.DONE, claimed_at__gte=since)
    spans = done.order_by("-claimed_at").values_list("started_at", "ended_at")[:MEAN_OF]
    worked = [(ended - began).total_seconds() for began, ended in spans if began and ended]
    asked = Request.objects.filter(asked_by=f"agent:{agent.name}", decision__isnull=False)
    answers = asked.aggregate(all=Count("pk"), no=Count("pk", filter=Q(state__in=TURNED_DOWN)))
    return Record(
        record.accepted, record.failed, overruled=answers["no"], answered=answers["all"], mean_s=sum(worked) / len(worked) if worked else None
    )  # fmt: skip


def _by_day(agent: Agent, *, last: date) -> tuple[int, ...]:
    first = last - timedelta(days=BAR_DAYS - 1)
    days = CostHour.objects.between(first, last).filter(agent=agent.name).values_list("day").order_by("day")
    return amounts_by_day(dict(days.annotate(total=Sum("amount_microusd"))), last=last)


def _share(month_microusd: int, *, now: datetime) -> float | None:
    month = CostHour.objects.between(start_of_month(now).date(), now.astimezone(UTC).date())
    all_microusd = month.filter(kind=Entry.Kind.MODEL_CALL).total_microusd()
    return month_microusd / all_microusd if all_microusd else None


def _by_model(agent: Agent, *, first: date, last: date) -> tuple[tuple[str, int], ...]:
    hours = CostHour.objects.between(first, last).filter(agent=agent.name)
    sums: Mapping[str, int] = dict(
        hours.values_list("item").annotate(total=Sum("amount_microusd")).order_by()
    )
    return tuple(sorted(sums.items(), key=lambda one: -one[1]))


def _recent(agent: Agent) -> tuple[Done, ...]:
    attempts = Attempt.objects.filter(agent=agent).exclude(state=Attempt.State.UNSTARTED)
    rows = list(attempts.select_related("task__dag__product").order_by("-claimed_at", "-pk")[:RECENT])
    costs = cost_by_attempt(Call.objects.filter(assignment_id__in=[one.pk for one in rows]))
    return tuple(
        Done(one, costs.get(one.pk, 0), product.name if product else "", product.slug if product else "")
        for one in rows
        for product in [one.task.dag.product]
    )
