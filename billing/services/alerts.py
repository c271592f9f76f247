"""Tell the owner of money before it is gone: lines of limits, amounts of a day, where the month is heading."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import F, Sum

from billing.adapters.alerts import alert_table
from billing.models import CostHour, Entry, MoneyAlert, Period, Scope, Window
from billing.rules import AlertTable, lines_passed, month_forecast
from core.clock import start_of_day, start_of_month
from core.money import MICROUSD_PER_USD
from core.services import business_now, publish

_LATE: Final = timedelta(hours=1)
"""So long after its end a period is looked at: what it held is settled in it."""
_TOLD_OF = ("factory", "team", "agent", "product")
"""Whose limits have lines; a task that used up its own fails and is shown as such."""


@dataclass(frozen=True)
class Passed:
    """One line that money passed."""

    scope: Scope
    rule: MoneyAlert.Rule
    line: int
    starts_at: datetime
    level: str
    amount: int
    limit: int


@transaction.atomic
def tell_of_money(passed: Passed) -> bool:
    """Write and publish that a line was passed, once for its period; say whether that was news."""
    key = {"scope": passed.scope, "rule": passed.rule, "line": passed.line, "starts_at": passed.starts_at}
    said = {
        "level": passed.level, "amount_microusd": passed.amount, "limit_microusd": passed.limit, "at": business_now(),
    }  # fmt: skip
    alert, is_new = MoneyAlert.objects.get_or_create(**key, defaults=said)
    if is_new:
        publish(
            "billing.money_alert", alert_id=str(alert.pk), rule=passed.rule, line=passed.line, level=passed.level,
            scope_id=str(passed.scope.pk),
        )  # fmt: skip
    return is_new


def watch_limits() -> int:
    """Tell of every line that was passed in a period that runs, or ended just now; return how many were news. Safe to run twice.

    Raises:
        LimitsUnreadable: the table of alerts cannot be read; nothing was told.
    """
    now, table = business_now(), alert_table()
    passed = [*_of_windows(now, table), *_of_the_day(now, table), *_of_the_forecast(now, table)]
    return sum(map(tell_of_money, _untold(passed)))


def _untold(passed: list[Passed]) -> list[Passed]:
    """Return what was not told yet, in one query."""
    told = set(
        MoneyAlert.objects.filter(starts_at__in={one.starts_at for one in passed}).values_list(
            "scope_id", "rule", "line", "starts_at"
        )
    )
    return [one for one in passed if (one.scope.pk, one.rule, one.line, one.starts_at) not in told]


def _of_windows(now: datetime, table: AlertTable) -> Iterator[Passed]:
    least = min(table.lines)
    taken = F("spent_microusd") + F("held_microusd")
    scopes = list(Scope.objects.filter(kind__in=_TOLD_OF).values_list("pk", flat=True))
    windows = Window.objects.since(now - _LATE, now).filter(
        scope__in=scopes, cap_microusd__gt=0, cap_microusd__lte=100 * taken / least
    )
    for one in windows.select_related("scope"):
        for line in lines_passed(table.lines, room=one.room):
            rule = MoneyAlert.Rule(one.period)
            amount = one.spent_microusd + (one.held_microusd if line >= 100 else 0)
            yield Passed(one.scope, rule, line, one.starts_at, table.lines[line], amount, one.cap_microusd)


def _of_the_day(now: datetime, table: AlertTable) -> Iterator[Passed]:
    days = Window.objects.since(now - _LATE, now).filter(scope__kind=Scope.Kind.FACTORY, period=Period.DAY)
    for one in days.select_related("scope"):
        for usd, level in table.factory_day.items():
            if one.spent_microusd >= usd * MICROUSD_PER_USD:
                rule = MoneyAlert.Rule.FACTORY_DAY
                yield Passed(one.scope, rule, usd, one.starts_at, level, one.spent_microusd, usd * MICROUSD_PER_USD)  # fmt: skip


def _of_the_forecast(now: datetime, table: AlertTable) -> Iterator[Passed]:
    scope = Scope.objects.filter(kind=Scope.Kind.FACTORY).first()
    heading = forecast_of_month(now)
    for usd, level in table.month_forecast.items():
        if scope and heading > usd * MICROUSD_PER_USD:
            rule = MoneyAlert.Rule.FORECAST
            yield Passed(scope, rule, usd, start_of_month(now), level, heading, usd * MICROUSD_PER_USD)


def forecast_of_month(now: datetime) -> int:
    """Return what models will cost in the month of business time `now`, in micro-dollars. Source: R-08.3."""
    today, month = start_of_day(now).date(), start_of_month(now).date()
    since = min(month, today - timedelta(days=7))
    rows = _BY_MODELS.between(since, today).order_by().values_list("day")
    return forecast_from(dict(rows.annotate(total=Sum("amount_microusd"))), now=now)


_BY_MODELS: Final = CostHour.objects.filter(kind=Entry.Kind.MODEL_CALL)
_FIRST: Final = _BY_MODELS.order_by("day").values_list("day", flat=True)


def forecast_from(by_day: Mapping[date, int], *, now: datetime) -> int:
    """Return the same from what models cost on each UTC day of this month and of the seven days before today."""
    today, month, first = start_of_day(now).date(), start_of_month(now).date(), _FIRST.first()
    week = [today - timedelta(days=back) for back in range(7, 0, -1)]
    return month_forecast(
        sum(total for day, total in by_day.items() if day >= month),
        full_days=[by_day.get(day, 0) for day in week if first and day >= first],
        today_microusd=by_day.get(today, 0),
        now=now,
    )
