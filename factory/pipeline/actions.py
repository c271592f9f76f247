"""What the owner's answers do."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from approvals.models import Decision
from core.registry import register_action
from factory.pipeline.models import Objective
from factory.pipeline.services import decline_build
from factory.pipeline.services.build import ACTION
from factory.pipeline.services.discover import may_propose_again
from factory.pipeline.services.objectives import follow_product
from factory.pipeline.services.starts import START, reject_objective, start_objective
from factory.work.services import hold_back, resume_task

SCHEMA = {
    "type": "object",
    "properties": {"product_id": {"type": "string"}, "task_id": {"type": "string"}},
    "required": ["product_id", "task_id"],
    "additionalProperties": False,
}


OBJECTIVE = {
    "type": "object",
    "properties": {"objective_id": {"type": "string"}},
    "required": ["objective_id"],
    "additionalProperties": False,
}


def no_start(arguments: Mapping[str, Any], *, decision_id: UUID) -> None:
    """Begin nothing."""
    decision = Decision.objects.filter(pk=decision_id).first()
    words = (decision.words if decision else "nobody answered in time") or "the owner said no"
    reject_objective(arguments["objective_id"], words=words, by="owner" if decision else "system")


@register_action(START, schema=OBJECTIVE, on_no=no_start)
def start(arguments: Mapping[str, Any], *, decision_id: UUID) -> None:
    """Let the work on an objective begin."""
    start_objective(arguments["objective_id"], by="owner")


def no_build(arguments: Mapping[str, Any], *, decision_id: UUID) -> None:
    """End the venture, or take the owner's words into another round."""
    decision = Decision.objects.filter(pk=decision_id).first()
    task_id = UUID(arguments["task_id"])
    if decision is not None and decision.answer == Decision.Answer.CHANGE and may_propose_again(task_id):
        resume_task(task_id, {"answer": "change", "words": decision.words})
        follow_product(
            arguments["product_id"], to=Objective.State.PLANNING, actor="owner", reason=decision.words
        )
        return
    words = decision.words if decision else "no answer in time"
    decline_build(UUID(arguments["product_id"]), task_id=task_id, words=words)


@register_action(ACTION, schema=SCHEMA, on_no=no_build, on_take_back=hold_back)
def build(arguments: Mapping[str, Any], *, decision_id: UUID) -> None:
    """Let the gate go on: it opens the build."""
    resume_task(UUID(arguments["task_id"]), {"answer": "approve", "decision_id": str(decision_id)})
