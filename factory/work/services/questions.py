"""Questions of a task to the owner: the task waits without a worker, and the answer lets it go on or ends it."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db import transaction

from approvals.errors import NotTakenBack
from approvals.models import Decision, Request
from approvals.rules import RequestDraft
from approvals.services import ask_owner
from core.errors import BadArguments, NotFound
from core.ids import digest_of, story_of
from core.registry import Json, Question
from factory.work.errors import NoOpenQuestion, OutcomeRefused
from factory.work.models import Attempt, Task
from factory.work.models.graphs import ASKS_AGAIN
from factory.work.services.failures import fail_task
from factory.work.services.lanes import hold_task
from factory.work.services.tasks import PAUSED, change_task, lock_task, ready_task, ring_for, tell

_CARD = frozenset(
    {
        "reason", "on_yes", "on_no", "worst_case_microusd", "worst_case_parts", "binds", "evidence", "diff", "product",
        "deadline_s", "is_reversible", "undo", "alternatives",
    }
)  # fmt: skip


@transaction.atomic
def ask_for(attempt: Attempt, question: Question | None) -> None:
    """Put the question of an attempt before the owner and let its task wait for the answer. Source: R-04.3.

    Raises:
        OutcomeRefused: there is no question, or the same one was answered before.
        BadArguments: its facts do not belong on a card.
        NotRegistered: no app carries out what it asks for.
    """
    if question is None:
        raise OutcomeRefused(kind="waiting", missing="question")
    task = attempt.task
    with story_of(task.dag.correlation_id):
        draft = RequestDraft(
            action=question.action,
            arguments=question.arguments,
            title=question.title,
            asked_by=f"agent:{attempt.agent.name}" if attempt.agent else f"job:{task.kind}",
            key=_key_of(task, question),
            **_card_of(task, question.facts),
        )
        request = ask_owner(draft)
    if request.state != Request.State.PENDING:
        raise OutcomeRefused(kind="waiting", question=question.title, answered=request.state)
    change_task(
        task,
        to=Task.State.WAITING,
        actor=attempt.worker,
        reason=f"asks: {question.title}",
        question=request.pk,
    )


def _key_of(task: Task, question: Question) -> str:
    """The same question of the same task is asked once, and once more when the owner put the task back."""
    what = digest_of([question.arguments, question.facts.get("binds")])[:16]
    return f"work:{task.pk}:{question.action}:{what}:{task.dead_letters.count()}"


def _card_of(task: Task, facts: Mapping[str, object]) -> Json:
    if strange := facts.keys() - _CARD:
        raise BadArguments(at="question", unknown=", ".join(sorted(strange)))
    product = task.dag.product
    return {
        "reason": task.title,
        "on_yes": "The work goes on.",
        "on_no": "The work ends here.",
        "worst_case_microusd": None,
        "product": product.name if product else "",
        **facts,
    }


@transaction.atomic
def resume_task(task_id: UUID, decision: Json, *, actor: str = "owner") -> None:
    """Let a task that waited for an answer go on; its next attempt finds `decision` under the action's name.

    Call it in the transaction of the decision.

    Raises:
        NoOpenQuestion: the task waits for nothing.
    """
    task, request = _asker(task_id)
    decisions = {**task.decisions, request.action: decision}
    if task.state == Task.State.WAITING:
        ready_task(task, actor=actor, reason="the question is answered", decisions=decisions)
        return
    held = PAUSED if task.dag.is_paused else ""
    Task.objects.filter(pk=task.pk).update(decisions=decisions, held=held)
    ring_for([task.queue])
    tell("work.task_changed", task, old=task.state, new=task.state)


@transaction.atomic
def refuse_task(task_id: UUID, *, words: str, actor: str = "owner") -> None:
    """End a task whose question was refused or not answered in time; it is not tried again. Source: R-04.17.

    Raises:
        NoOpenQuestion: the task waits for nothing.
    """
    task, request = _asker(task_id)
    fail_task(task, error_class="rejected", error=words or f"{request.title} No.", actor=actor)


@transaction.atomic
def hold_back(arguments: Mapping[str, Any], *, decision_id: UUID) -> None:
    """Keep the task in `arguments` out of its line: the yes was taken back before anyone began, its question is open.

    Raises:
        NotTakenBack: somebody has the task, or had it.
    """
    request = Decision.objects.select_related("request").get(pk=decision_id).request
    if not hold_task(UUID(arguments["task_id"]), why=f"{ASKS_AGAIN}{request.pk}"):
        raise NotTakenBack(title=request.title)


def _asker(task_id: UUID) -> tuple[Task, Request]:
    task = lock_task(pk=task_id)
    if task is None:
        raise NotFound(task=task_id)
    if task.open_question is None:
        raise NoOpenQuestion(task=task.title, state=task.state)
    return task, Request.objects.get(pk=task.open_question)
