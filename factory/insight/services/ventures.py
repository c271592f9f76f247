"""Products in the line of stages, each with what matters now."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db.models import Count, Exists, OuterRef, Subquery, Sum

from approvals.models import Request
from billing.models import CostHour, Limit, Period, RevenueEvent
from core.adapters.questions import Question, prepared
from factory.delivery.models import Release
from factory.insight.services.products import OwnSum
from factory.insight.services.work import AtWork
from factory.work.models import Attempt, Dag
from portfolio.models import Product


@dataclass(frozen=True)
class Venture:
    """One product as the line shows it.

    Attributes:
        questions: how many decisions wait for the owner.
        workers: agents that work on it now.
        version: of the release that users meet; None: there is none.
        taken_back: version of a newer release that was rolled back; None: there is none.
        cap_microusd: what it may cost in all; None: no such limit.
    """

    product: Product
    questions: int
    workers: tuple[str, ...]
    is_stalled: bool
    version: int | None
    taken_back: int | None
    cost_microusd: int
    cap_microusd: int | None
    revenue_microusd: int


def _newest(state: str) -> Subquery:
    """Return the newest version of a product in this state."""
    found = Release.objects.filter(product=OuterRef("pk"), state=state).order_by("-version")
    return Subquery(found.values("version")[:1])


_ASKED: Final = Request.objects.waiting().filter(correlation_id=OuterRef("correlation_id")).order_by()
_EARNED: Final = RevenueEvent.objects.filter(scope=OuterRef("scope")).order_by().values("scope")
_CAP: Final = Limit.objects.filter(scope=OuterRef("scope"), period=Period.LIFE)
_SHOWN: Final = Product.objects.defer("blueprint").annotate(
    asked=Subquery(_ASKED.values("correlation_id").annotate(n=Count("pk")).values("n")),
    is_stalled=Exists(Dag.objects.filter(product=OuterRef("pk"), state=Dag.State.STALLED)),
    live=_newest(Release.State.LIVE),
    back=_newest(Release.State.ROLLED_BACK),
    cap=Subquery(_CAP.values("cap_microusd")[:1]),
    earned=Subquery(_EARNED.annotate(total=Sum("amount_microusd")).values("total")),
)
"""Products with all that lists show of them but costs and workers, in one question."""


def ventures(at_work: Sequence[AtWork] | None = None) -> tuple[Venture, ...]:
    """Return all products, the newest first; `at_work` is who works now, where that is at hand."""
    products = list(_SHOWN.order_by("-opened_at", "-pk"))
    rows = [(one.slug, one.agent) for one in at_work] if at_work is not None else _at_work()
    workers, costs = _by_product(rows), _costs(products)
    return tuple(_venture(one, workers=workers[one.slug], cost=costs[one.pk]) for one in products)


_WHOLE: Final = (
    _SHOWN.defer(None)
    .select_related("opportunity__scan")
    .only(
        "slug", "name", "scope", "blueprint", "stage", "state", "url", "correlation_id", "opened_at", "launched_at",
        "opportunity__name", "opportunity__problem", "opportunity__state", "opportunity__points", "opportunity__scan__took_s",
    )
)  # fmt: skip


def product_shown(slug: str) -> Product | None:
    """Return a product for `venture_of`, with what its page shows of what it came of."""
    return _WHOLE.filter(slug=slug).first()


def venture_of(product: Product, *, own: Sequence[OwnSum]) -> Venture:
    """Return one product as the line shows it; it comes from `product_shown`, its own sums are at hand."""
    workers, cost = _by_product(_at_work()), sum(one.amount_microusd for one in own)
    return _venture(product, workers=workers[product.slug], cost=cost)


def _by_product(at_work: Sequence[tuple[str, str]]) -> Mapping[str, dict[str, None]]:
    """Return who works on what, each once, who began first comes first."""
    workers: dict[str, dict[str, None]] = defaultdict(dict)
    for slug, agent in at_work:
        workers[slug] |= {agent: None} if agent else {}
    return workers


def _venture(product: Product, *, workers: Iterable[str], cost: int) -> Venture:
    said = vars(product)
    return Venture(
        product=product,
        questions=said["asked"] or 0,
        workers=tuple(workers),
        is_stalled=said["is_stalled"],
        version=said["live"],
        taken_back=_newer(said["back"], than=said["live"]),
        cost_microusd=cost,
        cap_microusd=said["cap"],
        revenue_microusd=said["earned"] or 0,
    )


@prepared
def _at_work() -> Question:
    """Slug and agent of all that runs, who began first comes first."""
    return Attempt.objects.at_work().values_list("task__dag__product__slug", "agent__name")


def _newer(version: int | None, *, than: int | None) -> int | None:
    return version if version is not None and version > (than or 0) else None


@prepared
def _spent() -> Question:
    """What each scope and story cost."""
    sums = CostHour.objects.order_by().values_list("scope_id", "correlation_id")
    return sums.annotate(total=Sum("amount_microusd"))


def _costs(products: list[Product]) -> dict[UUID, int]:
    """Return what the story of each of all products cost; a sum counts once: for its scope, or else for its story."""
    by_scope = {product.scope_id: product.pk for product in products}
    by_story = {product.correlation_id: product.pk for product in products}
    costs = dict.fromkeys(by_scope.values(), 0)
    for scope, story, amount in _spent():
        if product := by_scope.get(scope) or by_story.get(story):  # or else it was opened just now
            costs[product] += amount
    return costs
