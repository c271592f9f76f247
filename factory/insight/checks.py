"""Do the books of different apps tell the same, and is a trace store told of everything?"""

from datetime import timedelta
from typing import Final

from django.db.models import Exists, F, OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from agents.gateway.models import Call
from billing.models import Entry
from core.clock import start_of_day
from core.registry import Finding, register_check
from core.services import business_now
from factory.insight.models import Export, ExportItem
from factory.insight.services import target

SETTLING: Final = timedelta(minutes=1)
"""So long a call and its entry may be on their way."""


@register_check("calls and ledger")
def calls_and_ledger() -> Finding:
    """Since yesterday every call stands in the ledger at its cost, and nothing else does. Source: R-08.5."""
    wrong, strange = _calls_booked_wrong(), _entries_without_call()
    if wrong or strange:
        return Finding(
            "fail",
            f"Since yesterday {wrong} calls are booked at another cost, and {strange} entries are of no call.",
            "Stop and look.",
        )
    return Finding("fine", "Every model call since yesterday is booked at its cost, once.")


def _calls_booked_wrong() -> int:
    now = timezone.now()
    since = start_of_day(now) - timedelta(days=1)
    entries = Entry.objects.filter(call_id=OuterRef("pk")).order_by().values("call_id")
    booked = Subquery(entries.annotate(total=Sum("amount_microusd")).values("total"))
    settled = Call.objects.since(since).exclude(status=Call.Status.OPEN).filter(ended_at__lt=now - SETTLING)
    return settled.annotate(booked=Coalesce(booked, 0)).exclude(booked=F("cost_microusd")).count()


def _entries_without_call() -> int:
    now = business_now()
    rows = Entry.objects.between(start_of_day(now) - timedelta(days=1), now - SETTLING)
    return rows.filter(
        ~Exists(Call.objects.filter(pk=OuterRef("call_id"))), kind=Entry.Kind.MODEL_CALL
    ).count()


@register_check("traces")
def traces() -> Finding:
    """A trace store that does not listen changes no work, and what it misses is counted. Source: R-08.10."""
    if target() is None:
        return Finding(
            "fine", "Traces are kept here alone; FACTORY_LANGFUSE_URL would tell a Langfuse as well."
        )
    so_far, waiting = Export.objects.filter(pk=1).first() or Export(), ExportItem.objects.count()
    words = f"{so_far.sent:,} told, {waiting:,} wait, {so_far.dropped:,} dropped."
    if so_far.words:
        return Finding("warn", f"{words} Last: {so_far.words}.", "Look at Langfuse; no work waits for it.")
    return Finding("fine", words)
