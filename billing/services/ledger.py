"""Write a cost down once, with the sum of its hour."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F

from billing.models import CostHour, Entry, Scope
from billing.rules import ForeignBill
from core.services import business_now, current_mode


@transaction.atomic
def book_entry(  # noqa: PLR0913 (the columns of one row)
    scope: Scope,
    *,
    kind: str,
    ref: str,
    amount_microusd: int,
    at: datetime | None = None,
    is_lost: bool = False,
    call_id: UUID | None = None,
    agent: str = "",
    correlation_id: UUID | None = None,
    facts: Mapping[str, Any] | None = None,
    bill: ForeignBill | None = None,
    takes_back: Entry | None = None,
) -> Entry:
    """Book one cost and add it to its hour in the same transaction; `ref` is booked once, `at` is business time.

    A bill in another currency says so in `bill`; None: it was in dollars. Neither an entry that takes one back nor the
    one it takes back counts in `CostHour.entries`: a call that is corrected stays one.
    """
    entry = Entry.objects.create(
        scope=scope,
        kind=kind,
        ref=ref,
        amount_microusd=amount_microusd,
        is_lost=is_lost,
        at=at or business_now(),
        call_id=call_id,
        agent=agent,
        correlation_id=correlation_id,
        mode=current_mode(),
        facts=dict(facts or {}),
        **({} if bill is None else asdict(bill)),
    )
    _add_to_hour(entry, counts=0 if takes_back else 1)
    if takes_back:
        CostHour.objects.filter(**_address(takes_back), entries__gt=0).update(entries=F("entries") - 1)
    return entry


def _add_to_hour(entry: Entry, *, counts: int) -> None:
    address = _address(entry)
    row = CostHour.objects.filter(**address)
    more = {"amount_microusd": F("amount_microusd") + entry.amount_microusd, "entries": F("entries") + counts}
    if not row.update(**more):
        CostHour.objects.bulk_create([CostHour(**address)], ignore_conflicts=True)  # another one may be first
        row.update(**more)


def _address(entry: Entry) -> dict[str, Any]:
    at = entry.at.astimezone(UTC)
    return {
        "day": at.date(),
        "hour": at.hour,
        "scope_id": entry.scope_id,
        "kind": entry.kind,
        "agent": entry.agent,
        "item": entry.item,
        "correlation_id": entry.correlation_id,
    }
