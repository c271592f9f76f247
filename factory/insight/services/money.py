"""Money of today and of this month: spent, held, earned."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final

from django.db.models import Q, Sum
from django.db.models.functions import TruncDate

from billing.models import CostHour, Entry, Limit, Period, RevenueEvent, Scope, Window
from billing.services import forecast_from
from core.clock import end_of_day, end_of_month, start_of_day, start_of_month
from factory.insight import rules


@dataclass(frozen=True)
class Purse:
    """What a period of the whole factory may cost, and did so far; `forecast_microusd` only of a month."""

    spent_microusd: int
    held_microusd: int
    cap_microusd: int | None
    ends_at: datetime
    forecast_microusd: int | None = None


@dataclass(frozen=True)
class MoneyNow:
    """The four figures of home: models today and this month, revenue, profit; with 14 days of each, today last.

    Revenue is after refunds, disputes and fees; costs, and so `spent_by_day`, are everything in the ledger.
    """

    today: Purse
    month: Purse
    revenue_microusd: int
    cost_microusd: int
    models_by_day: tuple[int, ...]
    spent_by_day: tuple[int, ...]
    revenue_by_day: tuple[int, ...]
    profit_by_day: tuple[int, ...]

    @property
    def profit_microusd(self) -> int:
        """What is left of the month's revenue."""
        return self.revenue_microusd - self.cost_microusd


_OF_ALL: Final = Window.objects.filter(scope__kind=Scope.Kind.FACTORY)
_BY_DAY: Final = (
    CostHour.objects.values_list("day")
    .order_by("day")
    .annotate(
        total=Sum("amount_microusd"),
        of_models=Sum("amount_microusd", filter=Q(kind=Entry.Kind.MODEL_CALL), default=0),
    )
)
_EARNED: Final = (
    RevenueEvent.objects.annotate(day=TruncDate("at", tzinfo=UTC))
    .values_list("day")
    .annotate(total=Sum("amount_microusd"))
    .order_by("day")
)


def money_now(now: datetime) -> MoneyNow:
    """Return the factory's money as of business time `now`."""
    last, month = now.astimezone(UTC).date(), start_of_month(now)
    first = min(month, start_of_day(now) - timedelta(days=rules.BAR_DAYS - 1))
    days = list(_BY_DAY.filter(day__gte=first.date(), day__lte=last))
    spent = {day: total for day, total, _ in days}
    of_models = {day: models for day, _, models in days}
    earned = _revenue_by_day(first, end_of_month(now))
    spent_by_day = rules.amounts_by_day(spent, last=last)
    revenue_by_day = rules.amounts_by_day(earned, last=last)
    windows = {one.period: one for one in _OF_ALL.at(now)}
    return MoneyNow(
        today=_purse(Period.DAY, now=now, window=windows.get(Period.DAY)),
        month=replace(
            _purse(Period.MONTH, now=now, window=windows.get(Period.MONTH)),
            forecast_microusd=forecast_from(of_models, now=now),
        ),
        revenue_microusd=_since(month.date(), earned),
        cost_microusd=_since(month.date(), spent),
        models_by_day=rules.amounts_by_day(of_models, last=last),
        spent_by_day=spent_by_day,
        revenue_by_day=revenue_by_day,
        profit_by_day=tuple(came - went for came, went in zip(revenue_by_day, spent_by_day, strict=True)),
    )


def _since(first: date, by_day: Mapping[date, int]) -> int:
    return sum(amount for day, amount in by_day.items() if day >= first)


def _purse(period: str, *, now: datetime, window: Window | None) -> Purse:
    """A period in which nothing was asked for yet has no window: its cap is the limit's."""
    ends_at = end_of_day(now) if period == Period.DAY else end_of_month(now)
    if window is None:
        limit = Limit.objects.filter(scope__kind=Scope.Kind.FACTORY, period=period).first()
        return Purse(0, 0, limit.cap_microusd if limit else None, ends_at)
    return Purse(window.spent_microusd, window.held_microusd, window.cap_microusd, ends_at)


def _revenue_by_day(first: datetime, end: datetime) -> dict[date, int]:
    return dict(_EARNED.filter(at__gte=first, at__lt=end))
