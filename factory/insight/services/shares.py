"""What no product caused, split among them, month by month."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Final
from uuid import UUID

from django.db.models import CharField, Max, Subquery, Sum
from django.db.models.functions import Cast, Substr
from django.utils import timezone

from billing.models import CostHour, Entry
from core.adapters.questions import Question, prepared
from core.clock import end_of_month
from factory.insight import rules
from portfolio.models import Product

MONTH: Final = Substr(Cast("day", CharField()), 1, 7)
"""The month of an hour, as `2026-11`: text, so that both databases compute it by themselves."""


@prepared
def _opened() -> Question:
    """Every product and when it was opened, each beside the newest entry of the ledger."""
    newest = Entry.objects.order_by("-pk").values("pk")[:1]
    return Product.objects.order_by("opened_at", "pk").values_list("pk", "opened_at", Subquery(newest))


@dataclass(frozen=True)
class MonthCosts:
    """What one month cost.

    Attributes:
        shared_microusd: what no product caused.
        last: the last day on which there was such a cost.
        direct: what each product caused.
    """

    shared_microusd: int
    last: date
    direct: Mapping[UUID, int]


def shared_costs(product: Product) -> Iterator[tuple[date, str, int]]:
    """Give, for each month, the product's share of what no product caused, on the last day on which there was such a cost."""
    rows = _opened()
    opened = {pk: opened_at for pk, opened_at, _ in rows}
    newest, minute = rows[0][2] if rows else None, timezone.now().replace(second=0, microsecond=0)
    for month in _months(newest, minute, tuple(opened)):
        ends = end_of_month(datetime(month.last.year, month.last.month, 1, tzinfo=UTC))
        direct = {pk: month.direct.get(pk, 0) for pk, opened_at in opened.items() if opened_at < ends}
        if month.shared_microusd:
            shares = rules.split_shared(month.shared_microusd, direct=direct)
            yield month.last, rules.SHARED, -shares.get(product.pk, 0)


@lru_cache(maxsize=4)
def _months(newest: UUID | None, _minute: datetime, products: tuple[UUID, ...]) -> tuple[MonthCosts, ...]:
    """Return the months in which there was a cost that no product caused.

    Kept for a minute, while `newest` is the newest entry and these are all products: the ledger only grows, no entry is ever
    changed, and one that was begun before the newest and ended after it is seen a minute later.
    """
    if newest is None or not products:
        return ()
    direct = _direct_by_month()
    shared = CostHour.objects.exclude(scope__in=Product.objects.order_by().values("scope"))
    shared = shared.exclude(correlation_id__in=Product.objects.order_by().values("correlation_id"))
    rows = shared.order_by().annotate(month=MONTH).values_list("month")
    sums = rows.annotate(total=Sum("amount_microusd"), last=Max("day")).order_by("month")
    return tuple(MonthCosts(total, last, direct[month]) for month, total, last in sums)


def _direct_by_month() -> dict[str, Counter[UUID]]:
    """Return what each product caused in each month; a sum counts once: for its scope, or else for its story."""
    direct: dict[str, Counter[UUID]] = defaultdict(Counter)
    scopes, stories = (Product.objects.order_by().values(name) for name in ("scope", "correlation_id"))
    by_month, total = CostHour.objects.order_by().annotate(month=MONTH), Sum("amount_microusd")
    own = by_month.filter(scope__in=scopes).values_list("month", "scope__product__pk")
    others = by_month.filter(correlation_id__in=stories).exclude(scope__in=scopes)
    by_story = dict(Product.objects.values_list("correlation_id", "pk"))
    for month, product, amount in own.annotate(total=total):
        direct[month][product] += amount
    for month, story, amount in others.values_list("month", "correlation_id").annotate(total=total):
        if story in by_story:
            direct[month][by_story[story]] += amount
    return direct
