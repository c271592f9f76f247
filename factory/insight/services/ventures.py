"""Products in the line of stages, each with what matters now."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Max, Sum

from approvals.models import Request
from billing.models import CostHour, Limit, Period, RevenueEvent
from factory.delivery.models import Release
from factory.insight.services.products import OwnSum, own_sums
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


def ventures(at_work: Sequence[AtWork] | None = None) -> tuple[Venture, ...]:
    """Return all products, the newest first; `at_work` is who works now, where that is at hand."""
    products = list(Product.objects.defer("blueprint").order_by("-opened_at", "-pk"))
    rows = [(one.slug, one.agent) for one in at_work] if at_work is not None else _at_work()
    return _shown(products, costs=_costs(products), at_work=rows)


def venture_of(product: Product, *, own: Sequence[OwnSum] | None = None) -> Venture:
    """Return one product as the line shows it, with the cost of `own` if it is at hand."""
    spent = own_sums(product) if own is None else own
    costs = {product.pk: sum(one.amount_microusd for one in spent)}
    return _shown([product], costs=costs, at_work=_at_work())[0]


def _shown(
    products: list[Product], *, costs: Mapping[UUID, int], at_work: Sequence[tuple[str, str]]
) -> tuple[Venture, ...]:
    scopes = [one.scope_id for one in products]
    stories = [one.correlation_id for one in products]
    asked = Request.objects.waiting().filter(correlation_id__in=stories).order_by()
    questions = Counter(asked.values_list("correlation_id", flat=True))
    workers: dict[str, dict[str, None]] = defaultdict(dict)
    for slug, agent in at_work:
        workers[slug] |= {agent: None} if agent else {}
    stalled = set(Dag.objects.filter(state=Dag.State.STALLED).values_list("product_id", flat=True))
    releases = _releases(products)
    limits = Limit.objects.filter(scope__in=scopes, period=Period.LIFE)
    caps = dict(limits.values_list("scope_id", "cap_microusd"))
    earned = RevenueEvent.objects.filter(scope__in=scopes).order_by().values_list("scope_id")
    revenue = dict(earned.annotate(total=Sum("amount_microusd")))
    return tuple(
        Venture(
            product=product,
            questions=questions[product.correlation_id],
            workers=tuple(workers[product.slug]),
            is_stalled=product.pk in stalled,
            version=(live := releases[product.pk].get(Release.State.LIVE)),
            taken_back=_newer(releases[product.pk].get(Release.State.ROLLED_BACK), than=live),
            cost_microusd=costs[product.pk],
            cap_microusd=caps.get(product.scope_id),
            revenue_microusd=revenue.get(product.scope_id, 0),
        )
        for product in products
    )


def _at_work() -> list[tuple[str, str]]:
    """Return slug and agent of all that runs, who began first comes first."""
    return list(Attempt.objects.at_work().values_list("task__dag__product__slug", "agent__name"))


def _releases(products: list[Product]) -> dict[UUID, dict[str, int]]:
    """Return the newest version in each state, by product."""
    newest: dict[UUID, dict[str, int]] = defaultdict(dict)
    rows = Release.objects.filter(product__in=[one.pk for one in products]).order_by()
    for product, state, version in rows.values_list("product_id", "state").annotate(last=Max("version")):
        newest[product][state] = version
    return newest


def _newer(version: int | None, *, than: int | None) -> int | None:
    return version if version is not None and version > (than or 0) else None


def _costs(products: list[Product]) -> dict[UUID, int]:
    """Return what the story of each of all products cost; a sum counts once: for its scope, or else for its story."""
    by_scope = {product.scope_id: product.pk for product in products}
    by_story = {product.correlation_id: product.pk for product in products}
    costs = dict.fromkeys(by_scope.values(), 0)
    hours, total, shown = CostHour.objects.order_by(), Sum("amount_microusd"), Product.objects.order_by()
    own = hours.filter(scope__in=shown.values("scope")).values_list("scope_id").annotate(total=total)
    others = hours.filter(correlation_id__in=shown.values("correlation_id"))
    others = others.exclude(scope__in=shown.values("scope"))
    for scope, amount in own:
        if scope in by_scope:  # or else it is of a product that was opened just now
            costs[by_scope[scope]] += amount
    for story, amount in others.values_list("correlation_id").annotate(total=total):
        if story in by_story:
            costs[by_story[story]] += amount
    return costs
