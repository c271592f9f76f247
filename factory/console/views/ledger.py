"""The ledger: every cent once, filtered, paged, and as a file."""

import csv
from io import StringIO
from typing import Final
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from agents.roster.models import Agent
from billing.models import Entry, Hold, RevenueEvent
from core.money import to_usd
from core.services import business_now
from factory.console.views.frame import Page, frame_now, show
from factory.insight.services import DAYS, LedgerRow, Wanted, ledger_page, ledger_rows, ledger_sums
from portfolio.models import Product

EXPORT_ROWS: Final = 100_000
DAY_WORDS: Final = {
    "today": "Today",
    "yesterday": "Yesterday",
    "week": "7 days",
    "month": "This month",
    "all": "All",
}
KINDS: Final = tuple(dict.fromkeys([*Entry.Kind.values, *RevenueEvent.Kind.values]))
HEAD: Final = ("at_utc", "kind", "amount_usd", "for", "agent", "at_its_bound", "reference")
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


@never_cache
@require_safe
def ledger(request: HttpRequest) -> HttpResponse:
    """Show the rows that are wanted, the newest first, and what all of them add up to."""
    frame, wanted = frame_now(), wanted_of(request)
    holds = Hold.objects.open().order_by("placed_at")
    page: Page = {
        "frame": frame,
        "wanted": wanted,
        "sums": ledger_sums(wanted, now=frame.now),
        "leaf": ledger_page(wanted, now=frame.now, before=request.GET.get("before", "")),
        "is_first": "before" not in request.GET,
        "held": list(holds[:100]),
        "filter": query_of(wanted),
        "kinds": KINDS,
        "products": Product.objects.order_by("name"),
        "agents": Agent.objects.order_by("name"),
        "days": [(name, DAY_WORDS[name]) for name in DAYS],
        "parts": ("sums",),
    }
    return show(request, "console/ledger.html", page, place="ledger")


def wanted_of(request: HttpRequest) -> Wanted:
    """Return which rows are asked for; what cannot be read is not a filter."""
    told = request.GET
    kind, days = told.get("kind", ""), told.get("days", "today")
    agent = Agent.objects.filter(name=told.get("agent", "")).first()
    return Wanted(
        kind=kind if kind in KINDS else "",
        product=Product.objects.filter(slug=told.get("venture", "")).first(),
        agent=agent.name if agent else "",
        days=days if days in DAYS else "today",
    )


def query_of(wanted: Wanted) -> str:
    """Return the filter as an address holds it."""
    said = {
        "kind": wanted.kind,
        "venture": wanted.product.slug if wanted.product else "",
        "agent": wanted.agent,
    }
    return urlencode({**{name: value for name, value in said.items() if value}, "days": wanted.days})


@never_cache
@require_safe
def ledger_csv(request: HttpRequest) -> HttpResponse:
    """Give the same rows as a file: signed dollars with six places, at most a hundred thousand rows."""
    text = StringIO()
    lines = csv.writer(text)
    lines.writerow(HEAD)
    lines.writerows(map(line_of, ledger_rows(wanted_of(request), now=business_now(), at_most=EXPORT_ROWS)))
    answer = HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="ledger.csv"'
    return answer


def line_of(row: LedgerRow) -> tuple[str, ...]:
    """Return one row as a file holds it."""
    amount = f"{to_usd(row.amount_microusd):.6f}"
    lost = "yes" if row.is_lost else ""
    return (row.at.isoformat(), row.kind, amount, as_text(row.label), row.agent, lost, as_text(row.ref))


def as_text(words: str) -> str:
    """Return words that no table program takes for a formula."""
    return f"'{words}" if words.startswith(FORMULA) else words
