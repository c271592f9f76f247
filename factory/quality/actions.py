"""What the owner's answers do."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from core.registry import register_action
from factory.quality.services import WAIVE, WAIVE_BEFORE
from factory.work.services import refuse_task, resume_task

SCHEMA = {
    "type": "object",
    "properties": {"task_id": {"type": "string"}},
    "required": ["task_id"],
    "additionalProperties": False,
}


def no_waiver(arguments: Mapping[str, Any], *, decision_id: UUID) -> None:
    """The test does not happen, so nothing of it is released."""
    refuse_task(UUID(arguments["task_id"]), words="the review has to come from another provider")


@register_action(WAIVE, schema=SCHEMA, on_no=no_waiver)
def waive_provider(arguments: Mapping[str, Any], *, decision_id: UUID) -> None:
    """Let the test go on; the decision is the waiver that its verdict records."""
    resume_task(UUID(arguments["task_id"]), {"answer": "approve", "decision_id": str(decision_id)})


def keep_asking(arguments: Mapping[str, Any], *, decision_id: UUID) -> None:
    """Nothing changes: the question comes with the first verdict."""


@register_action(WAIVE_BEFORE, schema={"type": "object", "additionalProperties": False}, on_no=keep_asking)
def waive_before(arguments: Mapping[str, Any], *, decision_id: UUID) -> None:
    """Nothing waits yet; the decision is the waiver that later verdicts record."""
