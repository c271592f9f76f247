"""What was done, by whom, and how it ended."""

from core.ids import correlation
from core.models import AuditRow


def audit(
    *, actor: str, verb: str, subject: str, outcome: str = AuditRow.Outcome.DONE, **facts: object
) -> AuditRow:
    """Write one row; `facts` never hold a secret or a prompt."""
    return AuditRow.objects.create(
        actor=actor,
        verb=verb,
        subject=subject[:160],
        outcome=outcome,
        facts=facts,
        correlation_id=correlation.get(),
    )
