"""One venture: where it stands, what it cost, who made what, what was proved, what users meet."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Prefetch
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from approvals.models import Request
from billing.models import Limit, Period
from factory.console.rules import COST_KINDS, Promise, promise_in_words
from factory.console.views.decisions import answered_of
from factory.console.views.frame import Page, frame_now, later, show
from factory.console.views.graph import drawing_of
from factory.delivery.models import Release
from factory.insight.services import (
    PnlRow,
    closed_graphs,
    graph_lines,
    graphs_of,
    open_graphs,
    product_pnl,
    stage_costs,
    story_use,
    ventures,
)
from factory.quality.models import Finding, Verdict
from factory.work.models import Artifact
from portfolio.models import Product

VERDICTS_SHOWN = 10
MOST_GRAPHS = 3


@dataclass(frozen=True)
class Book:
    """Profit and loss by day, and in all."""

    rows: tuple[PnlRow, ...]

    @property
    def profit_microusd(self) -> int:
        """What is left after everything."""
        return sum(row.amount_microusd for row in self.rows)

    @property
    def cost_microusd(self) -> int:
        """What was spent: models, other costs and its share of shared ones."""
        return -sum(row.amount_microusd for row in self.rows if row.kind in COST_KINDS)

    @property
    def revenue_microusd(self) -> int:
        """What came in, after refunds and fees."""
        return self.profit_microusd + self.cost_microusd


@never_cache
@require_safe
def venture(request: HttpRequest, slug: str) -> HttpResponse:
    """Show one venture whole."""
    product = Product.objects.select_related("scope", "opportunity").filter(slug=slug).first()
    if product is None:
        raise Http404
    under_way = graphs_of(open_graphs(product, at_most=MOST_GRAPHS))
    verdicts = _verdicts(product)
    page: Page = {
        "frame": frame_now(),
        "product": product,
        "summary": next(one for one in ventures() if one.product.pk == product.pk),
        "stages": stage_costs(product),
        "cap": Limit.objects.filter(scope=product.scope, period=Period.LIFE)
        .values_list("cap_microusd", flat=True)
        .first(),
        "now": under_way,
        "drawings": [drawing_of(one) for one in under_way],
        "before": later(lambda: graph_lines(closed_graphs(product))),
        "artifacts": Artifact.objects.accepted()
        .filter(attempt__task__dag__product=product)
        .select_related("attempt__agent", "attempt__task", "blob"),
        "verdicts": verdicts,
        "releases": Release.objects.of(product),
        "promises": _promises(product.blueprint, verdicts[0].promises if verdicts else {}),
        "book": Book(product_pnl(product)),
        "use": story_use(product.correlation_id),
        "decisions": answered_of(
            Request.objects.filter(correlation_id=product.correlation_id)
            .select_related("decision__by")
            .order_by("-asked_at", "-pk")
        ),
        "parts": ("stages", "now"),
    }
    return show(request, "console/venture.html", page, place="ventures")


def _verdicts(product: Product) -> list[Verdict]:
    findings = Prefetch("findings", Finding.objects.order_by("is_fixed", "severity", "id"))
    found = Verdict.objects.of(product).select_related("reviewer", "author")
    return list(found.prefetch_related("results", findings)[:VERDICTS_SHOWN])


def _promises(blueprint: Mapping[str, Any], held: Mapping[str, bool]) -> list[Promise]:
    features = {one["id"]: one["title"] for one in blueprint.get("features", ())}
    return [
        Promise(features.get(one["feature"], ""), promise_in_words(one), held.get(one["id"]))
        for one in blueprint.get("criteria", ())
    ]
