"""What time does to a question: two reminders, then silence refuses."""

import logging

from django.db import transaction

from approvals.models import Request
from approvals.rules import next_reminder
from approvals.services.facts import publish_answer
from core.errors import FactoryError
from core.ids import story_of
from core.models import AuditRow
from core.registry import find_action
from core.services import audit, business_now, publish

logger = logging.getLogger(__name__)


def remind_owner() -> int:
    """Tell that half, or nine tenths, of the time for an answer is gone; return how often. Safe to run twice.

    Source: R-12.17.
    """
    return sum(_remind(request) for request in Request.objects.to_remind_of(business_now()))


@transaction.atomic
def _remind(request: Request) -> bool:
    now = business_now()
    due = Request.objects.filter(pk=request.pk, remind_at=request.remind_at, state=Request.State.PENDING)
    following = next_reminder(asked_at=request.asked_at, deadline=request.deadline, now=now)
    if not due.update(remind_at=following):
        return False
    with story_of(request.correlation_id):
        publish(
            "approvals.owner_reminded",
            request_id=str(request.pk),
            action=request.action,
            reminder=request.reminders_at(now),
        )
    return True


def expire_requests() -> int:
    """Refuse what nobody answered in time; return how many. Safe to run twice and in two processes."""
    return sum(_expire(request) for request in Request.objects.overdue(business_now()))


@transaction.atomic
def _expire(request: Request) -> bool:
    pending = Request.objects.filter(pk=request.pk, state=Request.State.PENDING)
    if not pending.update(state=Request.State.EXPIRED):
        return False
    with story_of(request.correlation_id):
        outcome = _refuse_silently(request)
        audit(
            actor="system",
            verb="approvals.expire_request",
            subject=request.title,
            outcome=outcome,
            request_id=str(request.pk),
        )
        publish_answer(request, answer="expired")
    return True


def _refuse_silently(request: Request) -> str:
    """Carry out the no; a no that cannot be carried out must not keep the question open."""
    try:
        with transaction.atomic():
            find_action(request.action).on_no(request.arguments, decision_id=request.pk)
    except FactoryError as error:
        logger.exception(
            "approvals.silence_had_no_effect", extra={"request_id": str(request.pk), "code": error.code}
        )
        return AuditRow.Outcome.FAILED
    return AuditRow.Outcome.DONE
