"""What the owner's answers do to tasks."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from approvals.models import Decision
from core.registry import register_action
from factory.work.services import refuse_task, repeat_effect, take_as_done
from factory.work.services.effects import REPEAT

SCHEMA = {
    "type": "object",
    "properties": {"effect_id": {"type": "string"}, "task_id": {"type": "string"}},
    "required": ["effect_id", "task_id"],
    "additionalProperties": False,
}


def not_again(arguments: Mapping[str, Any], *, decision_id: UUID) -> None:
    """Take it as done when the owner said so; silence, or other wishes, end the work."""
    decision = Decision.objects.filter(pk=decision_id).first()
    if decision is not None and decision.answer == Decision.Answer.REJECT:
        take_as_done(UUID(arguments["effect_id"]), by="owner", words=decision.words)
    else:
        words = decision.words if decision else "nobody said whether it happened"
        refuse_task(UUID(arguments["task_id"]), words=words)


@register_action(REPEAT, schema=SCHEMA, on_no=not_again)
def do_again(arguments: Mapping[str, Any], *, decision_id: UUID) -> None:
    """Let it be done once more."""
    repeat_effect(UUID(arguments["effect_id"]), by="owner")
