"""Is the money in order?"""

from datetime import timedelta
from typing import Final

from django.db.models import Sum
from django.utils import timezone

from billing.adapters.standing import standing_table
from billing.errors import StandingUnreadable
from billing.models import CostHour, Entry, Hold, Overage, Period, RevenueEvent, Scope, Window
from core.clock import start_of_day
from core.registry import Finding, register_check
from core.services import business_now

QUOTA_SHARE: Final = 0.8


@register_check("ledger")
def ledger() -> Finding:
    """The factory's months and the ledger must tell the same sum."""
    months = Window.objects.filter(scope__kind=Scope.Kind.FACTORY, period=Period.MONTH)
    spent = months.aggregate(total=Sum("spent_microusd"))["total"] or 0
    booked = CostHour.objects.filter(kind=Entry.Kind.MODEL_CALL).total_microusd()
    if spent != booked:
        return Finding(
            "fail", f"Windows say {spent}, the ledger {booked} millionths of a dollar.", "Stop and look."
        )
    today = start_of_day(business_now())
    since = today - timedelta(days=1)
    single = Entry.objects.between(since, today + timedelta(days=1)).total_microusd()
    if single != CostHour.objects.between(since.date(), today.date()).total_microusd():
        return Finding("fail", "The sums of the hours and the entries of two days differ.", "Stop and look.")
    return Finding("fine", "Every cent of the limits stands in the ledger.")


@register_check("holds")
def holds() -> Finding:
    """No hold may be left over."""
    late = Hold.objects.overdue(timezone.now()).count()
    if late:
        return Finding(
            "warn", f"{late} holds are overdue.", "The ticker books them; is `factory factoryd` running?"
        )
    return Finding("fine", "No hold is overdue.")


@register_check("bills")
def bills() -> Finding:
    """Bills above what was authorised, and money of unknown products, are for a person."""
    overages, unplaced = Overage.objects.count(), RevenueEvent.objects.unplaced().count()
    if overages or unplaced:
        return Finding(
            "warn",
            f"{overages} bills above their bound, {unplaced} payments of unknown products.",
            "Look at /ops/.",
        )
    return Finding("fine", "No bill was above what was authorised.")


@register_check("standing costs")
def standing_costs() -> Finding:
    """What costs every day must be readable, and what is free must not be used up. Source: R-08.6, R-08.23."""
    cure = "Mend data/standing.yaml."
    try:
        table = standing_table()
    except StandingUnreadable as refusal:
        return Finding("fail", refusal.sentence, cure)
    if strange := sorted({line.currency for line in table.lines} - set(table.rates) - {"usd"}):
        return Finding("fail", f"Not booked: there is no rate for {', '.join(strange)}.", cure)
    today = business_now().date()
    calls = dict(
        CostHour.objects.between(today, today).order_by().values_list("item").annotate(calls=Sum("entries"))
    )
    for quota in table.quotas:
        used = sum(calls.get(model, 0) for model in quota.models)
        if used >= QUOTA_SHARE * quota.calls_a_day:
            words = f"{quota.name}: {used:,} of {quota.calls_a_day:,} are used today."
            return Finding("warn", words, "What comes beyond is billed or refused; lower what uses it.")
    counted = sum(line.since is not None for line in table.lines)
    return Finding("fine", f"{counted} lines count each day, {len(table.lines) - counted} are examples.")
