"""Claims: the head of the line goes to one worker, with everything an attempt needs."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import transaction

from agents.roster.models import Agent
from agents.roster.services import issue_token
from core.errors import NotRegistered
from core.registry import Assignment, Json, Limits, RepoRef, is_job
from core.services import announce, machine_now
from factory.work import rules
from factory.work.adapters.deadlocks import repeated
from factory.work.adapters.line import the_line
from factory.work.models import Attempt, Dag, Queue, Task
from factory.work.ports import Take, Taken, Wish
from factory.work.services.admission import hold_back, payers_of
from factory.work.services.artifacts import inputs_of
from factory.work.services.failures import fail_task, record_of
from factory.work.services.results import close_attempt
from factory.work.services.tasks import lock_graph

ALL_QUEUES: Final = tuple(name for name in Queue.Name.values if name != Queue.Name.GPU)
"""What a worker on a host of ours carries out."""
RACES: Final = 5


def claim_task(*, worker: str, queues: Collection[str] = ALL_QUEUES) -> Assignment | None:
    """Give the first admitted task of these queues to `worker`, or None when nothing fits. Source: R-04.10, U-11.

    The attempt is written with the claim; it must be begun within a minute, or the task goes back.
    """
    if not the_line().is_waiting(tuple(queues)):
        return None
    claims = repeated(transaction.atomic(partial(claim_next, worker=worker, queues=queues, is_begun=False)))
    tell_claims(claims)
    return next((claim.assignment for claim in claims), None)


@dataclass(frozen=True)
class Claim:
    """One claimed task: as it stands in its row, and as whoever carries it out gets it."""

    taken: Taken
    assignment: Assignment


def claim_next(
    *,
    worker: str,
    queues: Collection[str] = ALL_QUEUES,
    is_begun: bool = True,
    at_most: int = 1,
    is_urgent_only: bool = False,
) -> list[Claim]:
    """Claim the head of the line in the caller's transaction, begun or not; of quick jobs up to `at_most`.

    Empty: nothing fits.
    """
    wish = wish_for(
        worker=worker, queues=queues, is_begun=is_begun, at_most=at_most, is_urgent_only=is_urgent_only
    )
    return claims_of(wish, the_line().take(wish))


def wish_for(
    *,
    worker: str,
    queues: Collection[str],
    is_begun: bool = True,
    at_most: int = 1,
    is_urgent_only: bool = False,
) -> Wish:
    """Return what `worker` would take from the line now."""
    now = machine_now()
    life_s = settings.LEASE_S if is_begun else min(rules.START_S, settings.LEASE_S)
    return Wish(
        queues=tuple(queues), worker=worker, now=now, leased_until=now + timedelta(seconds=life_s), is_begun=is_begun,
        at_most=at_most, is_urgent_only=is_urgent_only,
    )  # fmt: skip


def claims_of(wish: Wish, take: Take) -> list[Claim]:
    """Return what was taken, or what is found when one looks further, in the same transaction.

    What may not start, or what nobody can ever carry out, leaves the line on the way, so the search ends.
    """
    return [Claim(taken=one, assignment=_assignment_of(one)) for one in _first_admitted(wish, take)]


def _first_admitted(wish: Wish, take: Take) -> list[Taken]:
    races = 0
    while True:
        if take.refused:
            hold_back(take.refused)
        able = [one for one in take.taken if not _is_given_up(one)]
        races += take.is_raced
        if able or races == RACES or not (take.taken or take.refused or take.is_raced):
            return able
        take = the_line().take(wish)


def _is_given_up(taken: Taken) -> bool:
    """Park what nobody can ever carry out, with a sentence. Source: U-13."""
    why = _why_impossible(taken)
    if not why:
        return False
    lock_graph(taken.dag_id)
    attempt = Attempt.objects.select_related("task__dag", "agent").get(pk=taken.attempt_id)
    close_attempt(attempt, state=Attempt.State.FAILED, error=why, error_class="permanent")
    fail_task(attempt.task, error_class="permanent", error=why, actor="work")
    return True


def _why_impossible(taken: Taken) -> str:
    if taken.kind == "agent":
        return "" if taken.agent_id else "It is an agent's task and names no agent."
    return "" if is_job(taken.kind) else NotRegistered(job=taken.kind).sentence


def tell_claims(claims: Sequence[Claim]) -> None:
    """Say that tasks were begun, and let graphs of which one is the first be running.

    Call it after the claim's transaction, which locks a task before its graph; everything else locks the graph first.
    """
    if fresh := {claim.taken.dag_id for claim in claims if claim.taken.is_first}:
        Dag.objects.filter(pk__in=fresh, state=Dag.State.PENDING).update(state=Dag.State.RUNNING)
    if claims:
        announce("work", *{f"dag:{claim.taken.dag_id}" for claim in claims})


def _assignment_of(taken: Taken) -> Assignment:
    """Return everything the attempt needs; an agent's capability token is issued with it."""
    agent = Agent.objects.select_related("version").get(pk=taken.agent_id) if taken.agent_id else None
    past = _Past(taken)
    seconds = int(min(rules.limit_s(taken.type), rules.MAX_TOTAL_S - past.record.worked_s))
    return Assignment(
        id=taken.attempt_id,
        reuse_key=taken.task_id,
        agent=agent.name if agent else "",
        kind=taken.kind,
        type=taken.type,
        title=taken.title,
        brief=taken.brief,
        inputs=_inputs_of(taken),
        answer_schema=taken.answer_schema,
        workspace=_workspace_of(taken),
        token=_token_for(taken, agent=agent, seconds=seconds),
        scopes=_scopes_of(taken),
        limits=Limits(
            cost_microusd=taken.cap_microusd,
            seconds=seconds,
            max_tokens=agent.definition.max_tokens if agent else Limits.max_tokens,
        ),
        decisions=taken.decisions,
        correlation_id=taken.correlation_id,
        last_error=past.error,
        tier_steps=rules.tier_steps(past.error_class, faults=past.record.faults),
    )


class _Past:
    """How earlier attempts at the task went; the first has none, and no row is read for it."""

    def __init__(self, taken: Taken) -> None:
        self.record, self.error, self.error_class = rules.Record(failures=taken.failures), "", ""
        if taken.fence > 1:
            task = Task.objects.get(pk=taken.task_id)
            failed = task.attempts.filter(state=Attempt.State.FAILED).order_by("-n").first()
            self.record = record_of(task)
            self.error, self.error_class = (failed.error, failed.error_class) if failed else ("", "")


def _inputs_of(taken: Taken) -> Json:
    """What came before was read with the claim; artifacts, and whatever else is out of the ordinary, are looked up.

    A parent is out of the ordinary: its children's results stand apart.
    """
    is_plain = not any(one.made or rules.may_be_childs(one.key) for one in taken.before)
    if len(taken.before) == taken.waited_for and is_plain:
        upstream: Json = {one.key: {"result": one.result, "artifacts": []} for one in taken.before}
        return {"upstream": upstream, "arguments": taken.arguments}
    return inputs_of(Task.objects.get(pk=taken.task_id), reader=Attempt.objects.get(pk=taken.attempt_id))


def _scopes_of(taken: Taken) -> tuple[UUID, ...]:
    """A child also draws on what its parents may spend."""
    if not taken.depth:
        return taken.scopes
    return payers_of(Task.objects.select_related("dag", "agent").get(pk=taken.task_id))


def _workspace_of(taken: Taken) -> RepoRef | None:
    """The tip of the base branch is looked up by whoever clones it, so a task starts from what is merged then."""
    if not taken.workspace:
        return None
    return RepoRef(
        repository=Path(taken.workspace["repository"]),
        commit=taken.workspace["base"],
        branch=taken.workspace["branch"],
        may_write=tuple(taken.may_write),
    )


def _token_for(taken: Taken, *, agent: Agent | None, seconds: int) -> str:
    if agent is None:
        return ""
    ends_at = machine_now() + timedelta(seconds=rules.START_S + seconds + settings.LEASE_S)
    return issue_token(agent=agent, assignment_id=taken.attempt_id, expires_at=ends_at)
