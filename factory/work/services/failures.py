"""What follows a failure: the next attempt, or the dead-letter office."""

import random
from datetime import timedelta
from uuid import UUID

from django.db import transaction

from agents.roster.models import Agent
from core.services import machine_now
from factory.work import rules
from factory.work.models import Attempt, DeadLetter, Task
from factory.work.services.graphs import settle_graph
from factory.work.services.lanes import open_lanes
from factory.work.services.tasks import change_task, lock_task, ready_task, tell

_COUNTED = (Attempt.State.FAILED, Attempt.State.LOST)


@transaction.atomic
def fail_task(task: Task, *, error_class: str, error: str, actor: str, may_start_now: bool = False) -> None:
    """Let `task` fail: it is tried again by itself, or waits for the owner as a dead letter.

    Args:
        task: as it was read; its last attempt is closed already.
        error_class: one of R-01.16, or `rejected`; anything else counts as `permanent`.
        error: what it died of; the next attempt is told.
        actor: who says so.
        may_start_now: no pause before the next attempt: the trouble is known to be over.
    """
    error_class = error_class if error_class in rules.ERROR_CLASSES else "permanent"
    change_task(
        task, to=Task.State.FAILED, actor=actor, reason=f"{error_class}: {error}", failures=task.failures + 1
    )
    record = record_of(task)
    if not rules.may_retry(error_class, record=record):
        _give_up(task, error_class=error_class, error=error, is_poison=rules.is_poison(record))
        return
    at_once = may_start_now or rules.is_first_death(error_class, record=record)
    wait_s = 0.0 if at_once else rules.wait_s(error_class, failures=task.failures, dice=random.random())  # noqa: S311 (spreads load)
    _hand_over(task, error_class=error_class)
    change_task(
        task,
        to=Task.State.RETRYING,
        actor="work",
        reason=f"attempt {task.failures + 1} in {wait_s:.0f} s",
        not_before=machine_now() + timedelta(seconds=wait_s),
    )
    if not wait_s:
        ready_task(task, actor="work", reason="nothing to wait for")


def _hand_over(task: Task, *, error_class: str) -> None:
    """Let another agent that can do it try what one got stuck at, if there is one. Source: R-01.16, R-04.11."""
    if error_class != "stuck" or task.kind != "agent":
        return
    tried = task.attempts.exclude(agent=None).values_list("agent", flat=True)
    others = Agent.objects.enabled().exclude(pk__in=tried).select_related("version").order_by("name")
    able = next((agent for agent in others if task.type in agent.definition.capabilities), None)
    if able is not None:
        open_lanes([able], queues=[task.queue])
        task.agent = able
        Task.objects.filter(pk=task.pk).update(agent=able, lane=able.pk.hex)


def record_of(task: Task) -> rules.Record:
    """Return how the attempts at `task` went since the owner last put it back."""
    tried = list(task.attempts.filter(state__in=_COUNTED).order_by("-n")[: task.failures])
    return rules.Record(
        failures=task.failures,
        deaths=sum(a.state == Attempt.State.LOST and a.error_class == "crash" for a in tried),
        faults=sum(attempt.state == Attempt.State.FAILED for attempt in tried),
        raised=sum(attempt.has_raised for attempt in tried),
        agents=len({attempt.agent_id for attempt in tried} - {None}),
        worked_s=sum(attempt.worked_s for attempt in task.attempts.all()),
    )


def _give_up(task: Task, *, error_class: str, error: str, is_poison: bool) -> None:
    change_task(
        task, to=Task.State.DEAD_LETTER, actor="work", reason="poison" if is_poison else "no more attempts"
    )
    letter = DeadLetter.objects.create(task=task, error_class=error_class, error=error, is_poison=is_poison)
    tell("work.task_given_up", task, letter_id=str(letter.pk), error_class=error_class)
    settle_graph(task.dag_id)


def promote_due() -> int:
    """Put the tasks whose pause is over back into the queue; return how many. Safe to run twice."""
    return sum(_promote(task_id) for task_id in Task.objects.due(machine_now()).values_list("pk", flat=True))


@transaction.atomic
def _promote(task_id: UUID) -> bool:
    task = lock_task(pk=task_id, state=Task.State.RETRYING)
    if task is None:
        return False
    ready_task(task, actor="work", reason="the pause is over")
    return True
