"""What other apps hear of a question that is over."""

from uuid import UUID

from approvals.models import Request
from core.services import publish


def publish_answer(request: Request, *, answer: str, decision_id: UUID | None = None) -> None:
    """Publish that a question is over, and how."""
    publish(
        "approvals.request_decided",
        request_id=str(request.pk),
        decision_id=str(decision_id) if decision_id else None,
        action=request.action,
        answer=answer,
    )
