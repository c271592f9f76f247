"""Whether cheap models do their share of the work. Source: R-02.7."""

from datetime import UTC, datetime, timedelta
from typing import Final

from billing.adapters.alerts import alert_table
from billing.models import MoneyAlert
from billing.services import Passed, factory_scope, tell_of_money
from core.clock import start_of_day
from core.services import business_now
from factory.insight.services.costs import bands_of_week

LEAST_CALLS: Final = 100
"""Of fewer calls no share is worth a word."""


def watch_mix() -> int:
    """Tell once a week when cheap models make too few of the calls of seven days, or top models too many.

    Raises:
        LimitsUnreadable: the table of alerts cannot be read; nothing was told.
    """
    now, mix = business_now(), alert_table().mix
    bands = {one.name: one for one in bands_of_week(now)}
    if sum(one.calls for one in bands.values()) < LEAST_CALLS:
        return 0
    cheap, top = (round(100 * (bands[name].share_of_calls or 0)) for name in ("low", "top"))
    told = 0
    if cheap < mix.cheap_least:
        told += tell_of_money(_passed(MoneyAlert.Rule.CHEAP, cheap, mix.cheap_least, now=now))
    if top > mix.top_most:
        told += tell_of_money(_passed(MoneyAlert.Rule.TOP, top, mix.top_most, now=now))
    return told


def _passed(rule: MoneyAlert.Rule, share: int, line: int, *, now: datetime) -> Passed:
    monday = start_of_day(now) - timedelta(days=now.astimezone(UTC).weekday())
    return Passed(factory_scope(), rule, line, monday, MoneyAlert.Level.WARNING, share, line)
