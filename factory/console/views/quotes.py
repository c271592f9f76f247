"""A quote: what a build is expected to cost, how long it takes, where it stops; later beside what it did cost."""

from dataclasses import dataclass

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from approvals.models import Request
from billing.models import Limit, Period
from billing.services import factory_scope
from factory.console.rules.quotes import Marks, days_in_words, marks_of
from factory.console.views.frame import Page, frame_now, show
from factory.pipeline.models import Quote
from factory.pipeline.services.build import ACTION
from factory.pipeline.services.quotes import Held, build_of, held_against, last_quote, months_planned
from portfolio.models import Product

FASTER = (20_000_000, 100_000_000)
"""Limits a day that are shown beside the one in force, in micro-dollars."""


@dataclass(frozen=True)
class Pace:
    """How long the money takes at one limit a day."""

    cap_microusd: int
    words: str
    is_now: bool


@never_cache
@require_safe
def quote(request: HttpRequest, slug: str) -> HttpResponse:
    """Show what the build of one venture is expected to cost, or did cost beside it."""
    product = Product.objects.select_related("scope", "opportunity").filter(slug=slug).first()
    found = last_quote(product) if product else None
    if product is None or found is None:
        raise Http404
    lines = held_against(found)
    page: Page = {
        "frame": frame_now(),
        "product": product,
        "quote": found,
        "lines": lines,
        "is_begun": build_of(product) is not None,
        "spent_microusd": _spent(lines),
        "marks": drawn(found),
        "paces": _paces(found),
        "asked": Request.objects.waiting()
        .filter(action=ACTION, correlation_id=product.correlation_id)
        .first(),
        "months": months_planned(),
    }
    return show(request, "console/quote.html", page, place="ventures")


def drawn(found: Quote) -> Marks:
    """Return where the range stands before its stop."""
    return marks_of(low=found.low_microusd, high=found.high_microusd, stop=found.stop_microusd)


def _spent(lines: list[Held]) -> int:
    return sum(line.spent.cost_microusd for line in lines if line.spent)


def _paces(found: Quote) -> list[Pace]:
    """The limit in force, then faster ones."""
    row = Limit.objects.filter(scope=factory_scope(), period=Period.DAY).first()
    now = row.cap_microusd if row else 0
    caps = [now, *(cap for cap in FASTER if cap > now)]
    return [Pace(cap, days_in_words(cap, found.cost), is_now=cap == now) for cap in caps]
