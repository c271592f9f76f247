"""One venture: where it stands, what it cost, who made what, what was proved, what users meet."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from approvals.models import Request
from core.adapters.questions import Question, prepared
from core.errors import FactoryError
from core.models import User
from factory.console.rules import COST_KINDS, Promise, promise_in_words
from factory.console.rules.pnl import SIZES, PnlPlot, by_span, pnl_plot
from factory.console.views.decisions import Answered, answered_of
from factory.console.views.frame import Page, frame_now, go_to, later, require_role, show
from factory.console.views.graph import KEEPERS, drawing_of
from factory.delivery.models import Release
from factory.insight.services import (
    PnlRow,
    graph_lines,
    graphs_for,
    graphs_of,
    own_sums,
    product_pnl,
    product_shown,
    stage_costs,
    story_use,
    venture_of,
)
from factory.pipeline.models import Quote
from factory.pipeline.services.quotes import build_of, last_quote, spent_by_part
from factory.quality.models import Finding, GateResult, Verdict
from factory.work.models import Artifact, Dag
from portfolio.models import Product
from portfolio.services import freeze_product, thaw_product

VERDICTS_SHOWN, RELEASES_SHOWN, DECISIONS_SHOWN, RESULTS_SHOWN = 4, 8, 8, 12
MOST_GRAPHS, GRAPHS_BEFORE = 3, 6
ROWS_SHOWN = 14


@dataclass(frozen=True)
class Book:
    """Profit and loss by day, and in all."""

    rows: tuple[PnlRow, ...]

    @cached_property
    def profit_microusd(self) -> int:
        """What is left after everything."""
        return sum(row.amount_microusd for row in self.rows)

    @cached_property
    def cost_microusd(self) -> int:
        """What was spent: models, other costs and its share of shared ones."""
        return -sum(row.amount_microusd for row in self.rows if row.kind in COST_KINDS)

    @cached_property
    def shown(self) -> tuple[PnlRow, ...]:
        """The last rows; `hidden` counts those before."""
        return self.rows[-ROWS_SHOWN:]

    @cached_property
    def hidden(self) -> int:
        """How many rows are not shown, though their sum is."""
        return max(0, len(self.rows) - ROWS_SHOWN)

    @cached_property
    def plots(self) -> list[PnlPlot]:
        """The same as drawings, for a desk and for a phone; empty: nothing moved yet."""
        days = [(row.day, row.amount_microusd) for row in self.rows]
        sums = by_span(days, until=max(day for day, _ in days)) if days else ()
        return [pnl_plot(sums, size=size) for size in SIZES] if sums else []

    @cached_property
    def revenue_microusd(self) -> int:
        """What came in, after refunds and fees."""
        return self.profit_microusd + self.cost_microusd


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def venture(request: HttpRequest, slug: str) -> HttpResponse:
    """Show one venture whole, or park it, or let it go on. Source: R-20.11."""
    product = product_shown(slug)
    if product is None:
        raise Http404
    return _change(request, product) if request.method == "POST" else _show_venture(request, product)


def _change(request: HttpRequest, product: Product) -> HttpResponse:
    """Parking stops its money and new work; only the owner lets it go on."""
    what = request.POST.get("what")
    roles = (User.Role.OWNER,) if what == "thaw" else KEEPERS
    person = require_role(request, *roles)
    try:
        if what == "thaw":
            thaw_product(product, reason=f"let go on by {person.username}", by=person.as_actor)
            return go_to(request, "venture", product.slug, say=f"{product.name} goes on.")
        freeze_product(product, reason=f"parked by {person.username}", by=person.as_actor)
    except FactoryError as refusal:
        return _show_venture(request, product, refused=refusal.sentence, status=refusal.http_status)
    return go_to(
        request,
        "venture",
        product.slug,
        say=f"{product.name} is parked: nothing new begins, what is live serves on.",
    )


def _show_venture(
    request: HttpRequest, product: Product, *, refused: str = "", status: int = 200
) -> HttpResponse:
    verdicts = later(lambda: _verdicts(product))
    dags = later(lambda: graphs_for(product, at_most=MOST_GRAPHS, over_at_most=GRAPHS_BEFORE))
    own = later(lambda: own_sums(product))
    page: Page = {
        "frame": frame_now(),
        "product": product,
        "summary": later(lambda: venture_of(product, own=own)),
        "stages": later(lambda: stage_costs(product, own=own)),
        "now": later(
            lambda: [(one, drawing_of(one)) for one in graphs_of(dag for dag in dags if not dag.closed_at)]
        ),
        "before": later(lambda: graph_lines(dag for dag in dags if dag.closed_at)),
        "artifacts": later(lambda: _artifacts(dags)),
        "verdicts": verdicts,
        "releases": later(lambda: list(_RELEASED.filter(product=product.pk)[:RELEASES_SHOWN])),
        "promises": later(lambda: _promises(product.blueprint, verdicts[0].promises if verdicts else {})),
        "book": later(lambda: Book(product_pnl(product, own=own))),
        "use": later(lambda: story_use(product, own=own)),
        "decisions": later(lambda: _decisions(product)),
        "quotes": later(lambda: _quotes(product)),
        "refused": refused,
        "parts": ("badges", "stages", "now", "pnl", "decisions"),
    }
    return show(request, "console/venture.html", page, place="ventures", status=status)


@dataclass(frozen=True)
class Made:
    """One accepted result; `agent` is empty for the platform's own work, `size_bytes` None: it is no file."""

    id: UUID
    kind: str
    title: str
    agent: str
    size_bytes: int | None


class Measured(NamedTuple):
    """One row of what was measured for a verdict; `passed` None: it was not measured."""

    verdict: UUID
    gate: str
    passed: bool | None
    summary: str


class Found(NamedTuple):
    """One row of what a verdict found; `line` None: nobody said where."""

    verdict: UUID
    severity: str
    text: str
    file: str
    line: int | None
    is_fixed: bool


@dataclass(frozen=True)
class Judged:
    """One verdict with the rows of what was measured and found; reviewer and author are names."""

    id: UUID
    passed: bool
    promises: Mapping[str, bool]
    reviewer: str
    author: str
    results: list[Measured] = field(default_factory=list)
    findings: list[Found] = field(default_factory=list)


_RELEASED: Final = Release.objects.only("version", "live_at", "state", "why").order_by("-version")
_ASKED: Final = (
    Request.objects.select_related("decision")
    .only("title", "state", "asked_at", "deadline", "arguments", "decision__business_at")
    .order_by("-asked_at", "-pk")
)


def _artifacts(dags: list[Dag]) -> list[Made]:
    """What was made last by the work that the page shows."""
    rows = _made_in([dag.pk for dag in dags])
    return [Made(pk, kind, title, agent or "", size) for pk, kind, title, agent, size in rows]


@prepared
def _made_in(dags: list[UUID]) -> Question:
    last = Artifact.objects.accepted().reverse().filter(attempt__task__dag__in=dags)
    shown = ("pk", "kind", "attempt__task__title", "attempt__agent__name", "blob__size_bytes")
    return last.values_list(*shown)[:RESULTS_SHOWN]


def _decisions(product: Product) -> list[Answered]:
    return answered_of(_ASKED.filter(correlation_id=product.correlation_id)[:DECISIONS_SHOWN])


def _verdicts(product: Product) -> list[Judged]:
    judged = {row[0]: Judged(*row) for row in _judged(product.pk)}
    for result in map(Measured._make, _measured_for(list(judged))):
        judged[result.verdict].results.append(result)
    for finding in map(Found._make, _found_by(list(judged))):
        judged[finding.verdict].findings.append(finding)
    return list(judged.values())


@prepared
def _judged(product: UUID) -> Question:
    last = Verdict.objects.filter(product=product).order_by("-at", "-id")
    return last.values_list("pk", "passed", "promises", "reviewer__name", "author__name")[:VERDICTS_SHOWN]


@prepared
def _measured_for(verdicts: list[UUID]) -> Question:
    return GateResult.objects.filter(verdict__in=verdicts).order_by("pk").values_list(*Measured._fields)


@prepared
def _found_by(verdicts: list[UUID]) -> Question:
    open_first = Finding.objects.filter(verdict__in=verdicts).order_by("is_fixed", "severity", "pk")
    return open_first.values_list(*Found._fields)


@dataclass(frozen=True)
class Quoted:
    """The quote of a build beside what the build cost so far; None: it was not begun."""

    quote: Quote
    spent_microusd: int | None


def _quotes(product: Product) -> list[Quoted]:
    """The last quote, or nothing."""
    found = last_quote(product)
    if found is None:
        return []
    dag = build_of(product)
    spent = sum(one.cost_microusd for one in spent_by_part(dag).values()) if dag else None
    return [Quoted(found, spent)]


def _promises(blueprint: Mapping[str, Any], held: Mapping[str, bool]) -> list[Promise]:
    features = {one["id"]: one["title"] for one in blueprint.get("features", ())}
    return [
        Promise(features.get(one["feature"], ""), promise_in_words(one), held.get(one["id"]))
        for one in blueprint.get("criteria", ())
    ]
