"""Products in the line of stages, each with what matters now."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q, Sum

from approvals.models import Request
from billing.models import CostHour, Limit, Period, RevenueEvent
from factory.delivery.models import Release
from factory.insight.services.work import who_works
from factory.work.models import Dag
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


def ventures() -> tuple[Venture, ...]:
    """Return all products, the newest first."""
    return _shown(list(Product.objects.select_related("scope").order_by("-opened_at", "-pk")))


def venture_of(product: Product) -> Venture:
    """Return one product as the line shows it."""
    return _shown([product])[0]


def _shown(products: list[Product]) -> tuple[Venture, ...]:
    questions = Counter(Request.objects.waiting().values_list("correlation_id", flat=True))
    workers: dict[str, list[str]] = defaultdict(list)
    for one in who_works():
        workers[one.slug] += [one.agent] if one.agent else []
    stalled = set(Dag.objects.filter(state=Dag.State.STALLED).values_list("product_id", flat=True))
    releases = _releases()
    costs = _costs(products)
    caps = dict(
        Limit.objects.filter(scope__in=[one.scope_id for one in products], period=Period.LIFE).values_list(
            "scope_id", "cap_microusd"
        )
    )
    revenue = dict(RevenueEvent.objects.values_list("scope_id").annotate(total=Sum("amount_microusd")))
    return tuple(
        Venture(
            product=product,
            questions=questions[product.correlation_id],
            workers=tuple(dict.fromkeys(workers[product.slug])),
            is_stalled=product.pk in stalled,
            version=(live := releases[product.pk].get(Release.State.LIVE)),
            taken_back=_newer(releases[product.pk].get(Release.State.ROLLED_BACK), than=live),
            cost_microusd=costs[product.pk],
            cap_microusd=caps.get(product.scope_id),
            revenue_microusd=revenue.get(product.scope_id, 0),
        )
        for product in products
    )


def _releases() -> dict[UUID, dict[str, int]]:
    """Return the newest version in each state, by product."""
    newest: dict[UUID, dict[str, int]] = defaultdict(dict)
    for product, state, version in Release.objects.order_by("version").values_list(
        "product_id", "state", "version"
    ):
        newest[product][state] = version
    return newest


def _newer(version: int | None, *, than: int | None) -> int | None:
    return version if version is not None and version > (than or 0) else None


def _costs(products: list[Product]) -> dict[UUID, int]:
    """Return what each product's story cost; a sum counts once."""
    by_scope = {product.scope_id: product.pk for product in products}
    by_story = {product.correlation_id: product.pk for product in products}
    costs = dict.fromkeys(by_scope.values(), 0)
    hours = CostHour.objects.order_by()
    if len(products) == 1:
        hours = hours.filter(Q(scope__in=by_scope) | Q(correlation_id__in=by_story))
    groups = hours.values_list("scope_id", "correlation_id").annotate(total=Sum("amount_microusd"))
    for scope, story, total in groups:
        owner = by_scope.get(scope) or by_story.get(story)
        if owner is not None:
            costs[owner] += total
    return costs
