"""What the owner's answer to a release does."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from approvals.models import Decision
from core.registry import register_action
from factory.delivery.models import Release
from factory.delivery.services.releases import ACTION, opening_of, refuse_release
from factory.work.services import hold_back, intend, refuse_task, resume_task

SCHEMA = {
    "type": "object",
    "properties": {"release_id": {"type": "string"}, "task_id": {"type": "string"}},
    "required": ["release_id", "task_id"],
    "additionalProperties": False,
}


def no_release(arguments: Mapping[str, Any], *, decision_id: UUID) -> None:
    """End the release; users keep what they have."""
    decision = Decision.objects.filter(pk=decision_id).first()
    words = (decision.words if decision else "nobody answered in time") or "the owner said no"
    refuse_release(Release.objects.get(pk=arguments["release_id"]), why=words)
    refuse_task(UUID(arguments["task_id"]), words=words)


@register_action(ACTION, schema=SCHEMA, on_no=no_release, on_take_back=hold_back)
def release(arguments: Mapping[str, Any], *, decision_id: UUID) -> None:
    """Let the task that brings it to its users go on; what it does outside is written down with the answer."""
    decision = Decision.objects.select_related("request").get(pk=decision_id)
    opened = Release.objects.select_related("product").get(pk=arguments["release_id"])
    intend(UUID(arguments["task_id"]), opening_of(opened), request=decision.request)
    resume_task(UUID(arguments["task_id"]), {"answer": "approve", "decision_id": str(decision_id)})
