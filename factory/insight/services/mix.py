"""Whether cheap models do their share of the work, and caches theirs. Source: R-02.7, R-02.19."""

from datetime import UTC, datetime, timedelta
from typing import Final

from django.db.models import Count, Q, Sum
from django.utils import timezone

from agents.gateway.models import Call
from billing.adapters.alerts import alert_table
from billing.models import MoneyAlert, Scope
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


LEAST_PROMPT_TOKENS: Final = 1_024
"""No provider keeps a shorter prompt."""


def watch_caches() -> int:
    """Tell once a week of every agent that reads too little from caches; return how many were news.

    Raises:
        LimitsUnreadable: the table of alerts cannot be read; nothing was told.
    """
    now, least = business_now(), alert_table().mix.cache_least
    shares = {agent: share for agent, share in _cached_shares().items() if share < least}
    scopes = Scope.objects.filter(kind=Scope.Kind.AGENT, ref__in=list(shares))
    return sum(
        tell_of_money(_passed(MoneyAlert.Rule.CACHE, shares[one.ref], least, now=now, scope=one))
        for one in scopes
    )


def _cached_shares() -> dict[str, int]:
    """Return how many percent of what each agent read in seven days of machine time came from a cache; of enough calls alone."""
    long_enough = Q(prompt_tokens__gte=LEAST_PROMPT_TOKENS, repeats_id=None) & ~Q(tier="local")
    rows = Call.objects.since(timezone.now() - timedelta(days=7)).filter(long_enough).order_by()
    sums = rows.values_list("agent").annotate(
        calls=Count("pk"), read=Sum("prompt_tokens"), cached=Sum("cached_tokens")
    )
    return {agent: 100 * (cached or 0) // read for agent, calls, read, cached in sums if calls >= LEAST_CALLS}


def _passed(
    rule: MoneyAlert.Rule, share: int, line: int, *, now: datetime, scope: Scope | None = None
) -> Passed:
    monday = start_of_day(now) - timedelta(days=now.astimezone(UTC).weekday())
    return Passed(scope or factory_scope(), rule, line, monday, MoneyAlert.Level.WARNING, share, line)
