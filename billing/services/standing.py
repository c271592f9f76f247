"""What the factory costs whoever works: each line of the table once for each UTC day."""

import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from django.db import IntegrityError, transaction

from billing.adapters.standing import standing_table
from billing.errors import CurrencyUnknown
from billing.models import Entry, Scope
from billing.rules import ForeignBill, Standing, StandingLine
from billing.services.ledger import book_entry
from billing.services.scopes import factory_scope
from core.models import Installation, Mode
from core.services import business_now

logger = logging.getLogger(__name__)
AT_MOST_DAYS: Final = 400
"""How far back a factory that was off books what its standing costs were."""


def book_standing() -> int:
    """Book what is due to today of business time and was not booked; return how many entries those are. Safe to run twice.

    Raises:
        StandingUnreadable: nothing was booked.
    """
    here = Installation.objects.first()
    if here is None:
        return 0
    table, today = standing_table(), business_now().date()
    founded = here.created_at.date()
    first = max(founded, today - timedelta(days=AT_MOST_DAYS))
    days = [first + timedelta(days=number) for number in range((today - first).days + 1)]
    lines = [line for line in table.lines if line.since or here.mode == Mode.REHEARSAL]
    return sum(_book_line(line, days, table=table, founded=founded) for line in lines)


def _book_line(line: StandingLine, days: list[date], *, table: Standing, founded: date) -> int:
    refs = {f"standing:{line.kind}:{line.name}:{day}": day for day in days if line.is_due(day)}
    booked = set(Entry.objects.filter(ref__in=refs).values_list("ref", flat=True))
    try:
        costs = list(_costs({r: d for r, d in refs.items() if r not in booked}, line, table, founded))
    except CurrencyUnknown as refusal:  # the check names it; the other lines are booked all the same
        logger.warning("billing.standing_unbooked", extra={"line": line.name, "code": refusal.code})
        return 0
    return sum(_book(line, ref, day, cost) for ref, day, cost in costs)


def _costs(
    refs: dict[str, date], line: StandingLine, table: Standing, founded: date
) -> Iterator[tuple[str, date, int | ForeignBill]]:
    for ref, day in refs.items():
        yield ref, day, table.cost_of_day(line, day, founded=founded)


def _book(line: StandingLine, ref: str, day: date, cost: int | ForeignBill) -> bool:
    """Book one day of one line; another process may have been first."""
    bill = cost if isinstance(cost, ForeignBill) else None
    amount = cost.amount_microusd if isinstance(cost, ForeignBill) else cost
    if not amount:
        return False
    try:
        with transaction.atomic():
            book_entry(
                _payer(line), kind=line.kind, ref=ref, amount_microusd=amount, at=_midnight(day), facts=_facts(line), bill=bill
            )  # fmt: skip
    except IntegrityError:
        return False
    return True


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _payer(line: StandingLine) -> Scope:
    """A product pays for what is its own, also when it is dead; a name that is no product's is the factory's."""
    own = Scope.objects.filter(kind=Scope.Kind.PRODUCT, ref=line.product).first() if line.product else None
    return own or factory_scope()


def _facts(line: StandingLine) -> dict[str, Any]:
    return {"name": line.name, **({} if line.since else {"is_example": True})}
