"""The ledger as people read it: costs and revenue in one list, the newest first, with sums that add up."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from heapq import merge
from typing import Any, Final
from uuid import UUID

from django.db.models import Q, QuerySet, Sum

from billing.models import CostHour, Entry, Hold, RevenueEvent
from core.clock import start_of_month
from factory.insight.rules.cursors import cursor_of, place_of
from portfolio.models import Product

Rows = QuerySet[Any]
DAYS: Final = ("today", "yesterday", "week", "month", "all")
PER_PAGE: Final = 50


@dataclass(frozen=True)
class Wanted:
    """Which rows of the ledger: all of them when nothing is said.

    Attributes:
        kind: of a cost or of revenue.
        days: one of `DAYS`; days of money are UTC.
    """

    kind: str = ""
    product: Product | None = None
    agent: str = ""
    days: str = "today"

    def span(self, today: date) -> tuple[date | None, date]:
        """Return the first and the last UTC day; no first day: from the beginning."""
        first = {
            "today": today,
            "yesterday": today - timedelta(days=1),
            "week": today - timedelta(days=6),
            "month": start_of_month(datetime(today.year, today.month, today.day, tzinfo=UTC)).date(),
        }.get(self.days)
        return first, first if self.days == "yesterday" and first else today


@dataclass(frozen=True)
class LedgerRow:
    """One line; `amount_microusd` is what it adds to profit, so a cost is negative."""

    at: datetime
    id: UUID
    kind: str
    amount_microusd: int
    label: str
    agent: str
    call_id: UUID | None
    is_lost: bool
    ref: str
    facts: dict[str, Any]
    given_back_microusd: int | None = None

    @property
    def cursor(self) -> str:
        """Where the next page begins."""
        return cursor_of(self.at, self.id)


@dataclass(frozen=True)
class LedgerPage:
    """One page, and where the one behind it begins; empty: there is none."""

    rows: tuple[LedgerRow, ...]
    older: str


@dataclass(frozen=True)
class LedgerSums:
    """What all rows that are wanted add up to, also those on other pages; of `costs` a corrected one counts once."""

    cost_microusd: int
    costs: int
    revenue_microusd: int

    @property
    def left_microusd(self) -> int:
        """What came in less what went out."""
        return self.revenue_microusd - self.cost_microusd


def ledger_page(wanted: Wanted, *, now: datetime, before: str = "") -> LedgerPage:
    """Return one page of the ledger, the rows before this cursor; one that cannot be read is the first page."""
    at_most = PER_PAGE + 1
    found = [
        row for rows, read in _sources(wanted, now=now) for row in map(read, _before(rows, before)[:at_most])
    ]
    found.sort(key=lambda row: (row.at, row.id), reverse=True)
    page = _with_holds(found[:PER_PAGE])
    return LedgerPage(tuple(page), page[-1].cursor if len(found) > PER_PAGE else "")


def ledger_rows(wanted: Wanted, *, now: datetime, at_most: int) -> Iterator[LedgerRow]:
    """Yield up to `at_most` rows, the newest first, without keeping them."""
    streams = [
        map(read, rows[:at_most].iterator(chunk_size=2_000)) for rows, read in _sources(wanted, now=now)
    ]
    ordered = merge(*streams, key=lambda row: (row.at, row.id), reverse=True)
    for number, row in enumerate(ordered):
        if number == at_most:
            return
        yield row


def ledger_sums(wanted: Wanted, *, now: datetime) -> LedgerSums:
    """Return the sums of all wanted rows, from the hours of the ledger."""
    first, last = wanted.span(now.astimezone(UTC).date())
    hours = CostHour.objects.filter(day__lte=last, **({"day__gte": first} if first else {}))
    if wanted.kind:
        hours = hours.filter(kind=wanted.kind)
    if wanted.agent:
        hours = hours.filter(agent=wanted.agent)
    if wanted.product:
        hours = hours.filter(_of(wanted.product))
    said = hours.aggregate(cost=Sum("amount_microusd"), costs=Sum("entries"))
    came = _revenue(wanted, now=now).aggregate(total=Sum("amount_microusd"))["total"]
    return LedgerSums(said["cost"] or 0, said["costs"] or 0, came or 0)


def _of(product: Product) -> Q:
    return Q(scope=product.scope_id) | Q(correlation_id=product.correlation_id)


def _sources(wanted: Wanted, *, now: datetime) -> list[tuple[Rows, Any]]:
    """Return the row sets that together are what is wanted; each reads its newest rows from an index."""
    costs = _within(Entry.objects.all(), wanted, now=now)
    if wanted.kind:
        costs = costs.filter(kind=wanted.kind)
    if wanted.agent:
        costs = costs.filter(agent=wanted.agent)
    costs = costs.select_related("scope").order_by("-at", "-id")
    parts = [costs]
    if wanted.product:
        parts = [costs.filter(scope=wanted.product.scope_id)]
        before = {"correlation_id": wanted.product.correlation_id}
        others = CostHour.objects.filter(**before).exclude(scope=wanted.product.scope_id)
        if (
            others.exists()
        ):  # what its story cost before it had money of its own; mostly nothing: then no scan
            parts.append(costs.filter(**before).exclude(scope=wanted.product.scope_id))
    revenue = _revenue(wanted, now=now).select_related("scope").order_by("-at", "-id")
    return [*((rows, _cost) for rows in parts), (revenue, _income)]


def _revenue(wanted: Wanted, *, now: datetime) -> Rows:
    rows = _within(RevenueEvent.objects.all(), wanted, now=now)
    if wanted.agent:
        return rows.none()
    if wanted.kind:
        rows = rows.filter(kind=wanted.kind)
    return rows.filter(scope=wanted.product.scope_id) if wanted.product else rows


def _within(rows: Rows, wanted: Wanted, *, now: datetime) -> Rows:
    first, last = wanted.span(now.astimezone(UTC).date())
    end = datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1)
    rows = rows.filter(at__lt=end)
    return rows.filter(at__gte=datetime(first.year, first.month, first.day, tzinfo=UTC)) if first else rows


def _before(rows: Rows, cursor: str) -> Rows:
    place = place_of(cursor)
    if place is None:
        return rows
    at, last = place
    return rows.filter(Q(at__lt=at) | Q(at=at, id__lt=last), at__lte=at)


def _cost(entry: Entry) -> LedgerRow:
    return LedgerRow(
        at=entry.at, id=entry.pk, kind=entry.kind, amount_microusd=-entry.amount_microusd, label=entry.scope.label,
        agent=entry.agent, call_id=entry.call_id, is_lost=entry.is_lost, ref=entry.ref, facts=entry.facts,
    )  # fmt: skip


def _income(event: RevenueEvent) -> LedgerRow:
    return LedgerRow(
        at=event.at, id=event.pk, kind=event.kind, amount_microusd=event.amount_microusd, label=event.scope.label, agent="",
        call_id=None, is_lost=False, ref=f"{event.provider}:{event.provider_event_id}", facts=event.facts,
    )  # fmt: skip


def _with_holds(rows: list[LedgerRow]) -> list[LedgerRow]:
    """Add what each call gave back of its hold, in one query."""
    calls = [row.call_id for row in rows if row.call_id]
    bounds = dict(Hold.objects.filter(call_id__in=calls).values_list("call_id", "bound_microusd"))
    return [
        replace(row, given_back_microusd=bounds[row.call_id] + row.amount_microusd)
        if row.call_id in bounds and not row.is_lost
        else row
        for row in rows
    ]
