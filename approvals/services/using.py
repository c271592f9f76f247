"""An approval is used once, by whoever is about to do exactly what was approved."""

from django.db import transaction

from approvals.errors import ApprovalMissing
from approvals.models import Decision, Request
from core.services import audit, business_now


@transaction.atomic
def use_decision(*, action: str, digest: str) -> Decision:
    """Use up one approval of exactly this effect; call it in the effect's own transaction. Source: U-14.

    The caller computes `digest` from what it is about to do (`rules.digest_of_effect`), never from the request.

    Raises:
        ApprovalMissing: none given, already used, older than 4 h of business time, or for something else.
    """
    now = business_now()
    for request in Request.objects.in_force(action=action, digest=digest, now=now):
        if Request.objects.filter(pk=request.pk, state=Request.State.APPROVED).update(
            state=Request.State.USED
        ):
            decision = Decision.objects.get(request=request)
            decision.used_at = now
            decision.save(update_fields=["used_at"])
            audit(actor="system", verb="approvals.use_decision", subject=request.title, digest=digest)
            return decision
    raise ApprovalMissing(action=action, digest=digest[:12])
