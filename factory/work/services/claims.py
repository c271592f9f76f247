"""Claims: the first task that is admitted goes to one worker, by one conditional update."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from agents.roster.services import issue_token
from core.errors import NotRegistered
from core.registry import Assignment, Limits, RepoRef, is_job
from core.services import business_now
from factory.work import rules
from factory.work.errors import TaskChanged
from factory.work.models import Attempt, Dag, Task
from factory.work.services.admission import Admission, close_gate, payers_of, read_admission
from factory.work.services.artifacts import inputs_of
from factory.work.services.failures import fail_task, record_of
from factory.work.services.graphs import settle_graph
from factory.work.services.tasks import change_task, lock_graph


def claim_task(*, worker: str) -> Assignment | None:
    """Give the first admitted task to `worker`, or None when nothing fits.

    The attempt is written with the claim; it must be begun within a minute, or the task goes back.
    """
    if not Task.objects.claimable().exists():
        return None
    try:
        return _claim(worker)
    except TaskChanged:
        return None


@transaction.atomic
def _claim(worker: str) -> Assignment | None:
    close_gate()
    task = _first_admitted(read_admission())
    if task is None:
        return None
    lock_graph(task.dag_id)
    attempt = Attempt(task=task, agent=task.agent, n=task.fence + 1, worker=worker)
    change_task(
        task,
        to=Task.State.CLAIMED,
        actor=worker,
        reason=f"claim {attempt.n}",
        lease=attempt.pk,
        fence=attempt.n,
        leased_to=worker,
        leased_until=attempt.claimed_at + timedelta(seconds=rules.START_S),
    )
    attempt.save(force_insert=True)
    if task.dag.state == Dag.State.PENDING:
        settle_graph(task.dag_id)
    return _assignment_of(task, attempt)


def _first_admitted(admission: Admission) -> Task | None:
    """Return the first in line that may start; what nobody can ever carry out is parked on the way. Source: U-13.

    Every round takes something out of the line, so it ends.
    """
    shut = Shut()
    while heads := tuple(_heads(admission, shut)):
        for task_id in heads:
            ready = Task.objects.filter(pk=task_id, state=Task.State.READY)
            task = ready.select_related("dag__product", "agent__version").first()
            if task is None:
                continue
            if why := _why_impossible(task):
                lock_graph(task.dag_id)
                fail_task(task, error_class="permanent", error=why, actor="work")
            elif not admission.refusal(task):
                return task
            else:
                (shut.for_agents if task.agent_id else shut.for_jobs).add(task.dag_id)
    return None


@dataclass(frozen=True)
class Shut:
    """Graphs of which one task was refused in this claim: the others of its sort would be too."""

    for_agents: set[UUID] = field(default_factory=set)
    for_jobs: set[UUID] = field(default_factory=set)


def _heads(admission: Admission, shut: Shut) -> Iterator[UUID]:
    """Yield the ids of the tasks at the head of the queue, most urgent first."""
    jobs = Q(agent=None) & ~Q(dag__in=shut.for_jobs)
    mine = jobs | (Q(agent__in=admission.open_agents) & ~Q(dag__in=shut.for_agents))
    ready = (
        Task.objects.claimable().filter(mine).only("priority", "ready_at", "created_at", "behind", "due_at")
    )
    heads = {*ready[: rules.CANDIDATES], *ready.exclude(due_at=None).order_by("due_at")[: rules.CANDIDATES]}
    now, business = timezone.now(), business_now()
    for task in sorted(heads, key=lambda task: task.place_in_line(now, business=business)):
        yield task.pk


def _why_impossible(task: Task) -> str:
    if task.kind == "agent":
        return "" if task.agent else "It is an agent's task and names no agent."
    return "" if is_job(task.kind) else NotRegistered(job=task.kind).sentence


def _assignment_of(task: Task, attempt: Attempt) -> Assignment:
    """Return everything the attempt needs; the capability token is issued with it."""
    record, agent = record_of(task), task.agent
    seconds = int(min(rules.limit_s(task.type), rules.MAX_TOTAL_S - record.worked_s))
    failed = task.attempts.filter(state=Attempt.State.FAILED).order_by("-n").first()
    return Assignment(
        id=attempt.pk,
        reuse_key=task.pk,
        agent=agent.name if agent else "",
        kind=task.kind,
        title=task.title,
        brief=task.brief,
        inputs=inputs_of(task, reader=attempt),
        answer_schema=task.answer_schema,
        workspace=_workspace_of(task),
        token=_token_for(attempt, seconds=seconds),
        scopes=payers_of(task),
        limits=Limits(
            cost_microusd=task.max_cost_microusd,
            seconds=seconds,
            max_tokens=agent.definition.max_tokens if agent else Limits.max_tokens,
        ),
        decisions=task.decisions,
        correlation_id=task.dag.correlation_id,
        last_error=failed.error if failed else "",
        tier_steps=rules.tier_steps(failed.error_class if failed else "", faults=record.faults),
    )


def _workspace_of(task: Task) -> RepoRef | None:
    """The tip of the base branch is looked up by whoever clones it, so a task starts from what is merged then."""
    if not task.workspace:
        return None
    return RepoRef(
        repository=Path(task.workspace["repository"]),
        commit=task.workspace["base"],
        branch=task.workspace["branch"],
        may_write=tuple(task.may_write),
    )


def _token_for(attempt: Attempt, *, seconds: int) -> str:
    if attempt.agent is None:
        return ""
    ends_at = attempt.claimed_at + timedelta(seconds=rules.START_S + seconds + rules.LEASE_S)
    return issue_token(agent=attempt.agent, assignment_id=attempt.pk, expires_at=ends_at)
