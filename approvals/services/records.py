"""How askers fared at each gate, from the rows of the last month."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from approvals.models import Request, RequestQuerySet
from approvals.rules import Answered, GateRecord, records_of

RECORD_DAYS: Final = 30


def gate_records(now: datetime) -> list[GateRecord]:
    """Return the record of every gate and asker over the last 30 days of business time, the busiest first."""
    recent = Request.objects.filter(asked_at__gt=now - timedelta(days=RECORD_DAYS))
    return records_of(_answered(recent))


def record_of(request: Request) -> GateRecord | None:
    """Return how whoever asks this fared at this gate so far; None: they never asked before."""
    same = Request.objects.filter(action=request.action, asked_by=request.asked_by)
    return next(iter(records_of(_answered(same))), None)


def _answered(requests: RequestQuerySet) -> Iterable[Answered]:
    """A question that was taken back says nothing of the owner, and one that waits nothing yet."""
    over = requests.exclude(state__in=[Request.State.PENDING, Request.State.WITHDRAWN])
    rows = over.values_list(
        "action", "asked_by", "decision__answer", "asked_at", "decision__business_at", "decision__looked_s"
    )
    for action, asked_by, answer, asked_at, at, looked_s in rows:
        seconds = (at - asked_at).total_seconds() if at else None
        yield Answered(action, asked_by, answer or "", seconds, looked_s)
