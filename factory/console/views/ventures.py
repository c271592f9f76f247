"""One venture: where it stands, what it cost, who made what, what was proved, what users meet."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Prefetch
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from approvals.models import Request
from billing.models import Limit, Period
from factory.console.rules import COST_KINDS, Promise, promise_in_words
from factory.console.views.decisions import answered_of
from factory.console.views.frame import Page, frame_now, show
from factory.delivery.models import Release
from factory.insight.services import (
    PnlRow,
    attempt_costs,
    product_pnl,
    stage_costs,
    story_use,
    ventures,
)
from factory.quality.models import Finding, Verdict
from factory.work.models import Artifact, Attempt, Dag, Task
from portfolio.models import Product

VERDICTS_SHOWN = 10


@dataclass(frozen=True)
class Try:
    """One attempt at a task, with its cost; None: it asked no model."""

    attempt: Attempt
    cost_microusd: int | None


@dataclass(frozen=True)
class Work:
    """One task of a graph: its place in the list, what it waits for, its tries."""

    number: int
    task: Task
    after: str
    tries: tuple[Try, ...]

    @property
    def cost_microusd(self) -> int | None:
        """What all its tries cost; None: none of them asked a model."""
        known = [one.cost_microusd for one in self.tries if one.cost_microusd is not None]
        return sum(known) if known else None

    @property
    def seconds(self) -> float | None:
        """How long all its tries worked; None: none has ended."""
        worked = [one.attempt.worked_s for one in self.tries if one.attempt.ended_at]
        return sum(worked) if worked else None


@dataclass(frozen=True)
class Graph:
    """One graph of tasks as a list."""

    dag: Dag
    works: tuple[Work, ...]

    @property
    def done(self) -> int:
        """How many tasks are over and accepted."""
        return sum(one.task.state == Task.State.COMPLETED for one in self.works)

    @property
    def cost_microusd(self) -> int:
        """What its tasks cost so far."""
        return sum(one.cost_microusd or 0 for one in self.works)

    @property
    def is_open(self) -> bool:
        """Whether anything in it is still to be done."""
        return self.dag.state not in (Dag.State.COMPLETED, Dag.State.CANCELLED)


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
    graphs = _graphs(product)
    verdicts = _verdicts(product)
    page: Page = {
        "frame": frame_now(),
        "product": product,
        "summary": next(one for one in ventures() if one.product.pk == product.pk),
        "stages": stage_costs(product),
        "cap": Limit.objects.filter(scope=product.scope, period=Period.LIFE)
        .values_list("cap_microusd", flat=True)
        .first(),
        "now": [graph for graph in graphs if graph.is_open],
        "before": [graph for graph in graphs if not graph.is_open],
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


def _graphs(product: Product) -> list[Graph]:
    """Return the product's graphs, the newest first, with tasks in the order in which they may begin."""
    costs = attempt_costs(product.correlation_id)
    attempts = Prefetch("attempts", Attempt.objects.select_related("agent").order_by("n"))
    tasks = (
        Task.objects.filter(dag__product=product)
        .select_related("agent", "dag")
        .order_by("-behind", "created_at", "pk")
    )
    by_dag: dict[UUID, list[Task]] = defaultdict(list)
    for task in tasks.prefetch_related(attempts, "dependencies"):
        by_dag[task.dag_id].append(task)
    graphs = product.dags.order_by("-created_at", "-pk")
    return [Graph(dag, _works(by_dag[dag.pk], costs)) for dag in graphs]


def _works(tasks: list[Task], costs: Mapping[UUID, int]) -> tuple[Work, ...]:
    numbers = {task.pk: number for number, task in enumerate(tasks, start=1)}
    return tuple(
        Work(
            number=numbers[task.pk],
            task=task,
            after=", ".join(
                str(n) for n in sorted(numbers[one.depends_on_id] for one in task.dependencies.all())
            ),
            tries=tuple(Try(attempt, costs.get(attempt.pk)) for attempt in task.attempts.all()),
        )
        for task in tasks
    )


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
