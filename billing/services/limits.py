"""Say what may be spent, and who may say more."""

from datetime import datetime

from django.db import transaction
from django.db.models import BigIntegerField, F, Value
from django.db.models.functions import Greatest
from django.utils import timezone

from billing.adapters.limits import start_caps, table_row
from billing.adapters.windows import the_windows
from billing.errors import (
    CeilingPassed,
    ConfirmAgain,
    LimitOutOfRange,
    LimitUnknown,
    RaiseForbidden,
    RaiseNeedsLogin,
    RaiseTooLong,
)
from billing.models import Limit, Period, RaiseAsked, Scope, Window
from billing.rules import CEILING_MICROUSD, CONFIRM_WITHIN, FRESH, RAISE_LASTS
from core.errors import BadArguments
from core.money import in_words
from core.services import audit, business_now, publish


@transaction.atomic
def give_limits(scope: Scope, *, row: str) -> None:
    """Give `scope` the limits of a row of the table, e.g. `live_product` once a product is live. Safe to run twice."""
    for period, cap_microusd in start_caps(row, ref=scope.ref).items():
        set_limit(scope, period=period, cap_microusd=cap_microusd)


@transaction.atomic
def set_limit(  # noqa: PLR0913 (what a limit says)
    scope: Scope,
    *,
    period: str,
    cap_microusd: int,
    by: str = "system",
    why: str = "",
    until: datetime | None = None,
    returns_to_microusd: int | None = None,
) -> Limit:
    """Set what `scope` may spend per `period`, for open windows too; what is committed already stays.

    At the business time `until` the cap becomes `returns_to_microusd` again; None: it stays.

    Raises:
        CeilingPassed: a day would be allowed more than the ceiling.
        BadArguments: no such period, or a negative cap.
    """
    if period not in Period.values or cap_microusd < 0:
        raise BadArguments(period=period, cap_microusd=cap_microusd)
    _require_below_ceiling(period, cap_microusd)
    said = {
        "cap_microusd": cap_microusd, "until": until, "returns_to_microusd": returns_to_microusd, "set_by": by[:80],
        "why": why[:300],
    }  # fmt: skip
    windows = Window.objects.filter(scope=scope, period=period)
    if windows.exists():  # before the limit: who opens windows may move money already
        the_windows().lock()
    limit, _ = Limit.objects.update_or_create(scope=scope, period=period, defaults=said)
    committed = F("spent_microusd") + F("held_microusd")
    cap = Value(cap_microusd, output_field=BigIntegerField())
    windows.at(business_now()).update(cap_microusd=cap_microusd, amount_microusd=Greatest(cap, committed))
    audit(
        actor=by,
        verb="billing.set_limit",
        subject=f"{scope} {limit.get_period_display()}",
        cap_microusd=cap_microusd,
        why=why[:300],
    )
    publish("billing.limit_changed", scope_id=str(scope.id), period=period, cap_microusd=cap_microusd)
    return limit


def _require_below_ceiling(period: str, cap_microusd: int) -> None:
    if period == Period.DAY and cap_microusd > CEILING_MICROUSD:
        raise CeilingPassed(ceiling=in_words(CEILING_MICROUSD), asked=in_words(cap_microusd))


def change_limit(  # noqa: PLR0913 (what a raise has to say)
    scope: Scope,
    *,
    period: str,
    cap_microusd: int,
    by: str,
    may_raise: bool,
    why: str,
    fresh_at: datetime | None = None,
    until: datetime | None = None,
) -> Limit:
    """Lower a limit that exists, or raise it if they may, have just signed in and say why. Source: R-08.2.

    Up to what the table of limits says a raise may stay; above that it ends by itself, thirty days later at the latest.

    `fresh_at` is the machine time at which whoever asks last proved who they are; None: not in this way. `until` is the
    business time at which a raise ends; None: it stays where it may, else the latest there is.

    Raises:
        LimitUnknown: `scope` has no limit for this period; a new one is not made by hand.
        LimitOutOfRange: an agent's day is not set so low or so high.
        RaiseForbidden, RaiseNeedsLogin: they may only lower it, said no reason, or signed in too long ago.
        RaiseTooLong: the end is past or too far away.
        CeilingPassed: a day would be allowed more than the ceiling.
        ConfirmAgain: this one is asked for a second time ten minutes later; nothing was changed yet.
    """
    old = Limit.objects.filter(scope=scope, period=period).first()
    if old is None:
        raise LimitUnknown(limit=f"{scope} {period}")
    _require_in_range(old, cap_microusd)
    now = business_now()
    before, why = old.cap_at(now), why.strip()
    if cap_microusd <= before:
        return _lower(old, cap_microusd, by=by, why=why)
    if not (may_raise and why):
        raise RaiseForbidden(from_=in_words(before), to=in_words(cap_microusd))
    if fresh_at is None or timezone.now() - fresh_at > FRESH:
        raise RaiseNeedsLogin(from_=in_words(before), to=in_words(cap_microusd))
    _require_below_ceiling(period, cap_microusd)
    ends = _end_of(old, cap_microusd, until=until, now=now)
    if _is_large(old, cap_microusd, before=before):
        _confirm(old, cap_microusd, by=by, why=why)
    back = (
        None
        if ends is None
        else min(before, before if old.returns_to_microusd is None else old.returns_to_microusd)
    )
    return set_limit(
        scope, period=period, cap_microusd=cap_microusd, by=by, why=why, until=ends, returns_to_microusd=back
    )


def _require_in_range(old: Limit, cap_microusd: int) -> None:
    if (old.scope.kind, old.period) != (Scope.Kind.AGENT, Period.DAY):
        return
    row = table_row("agent_day")
    if not row["least"] <= cap_microusd <= row["most"]:
        raise LimitOutOfRange(
            least=in_words(row["least"]), most=in_words(row["most"]), asked=in_words(cap_microusd)
        )


def _lower(old: Limit, cap_microusd: int, *, by: str, why: str) -> Limit:
    """A raise that is lowered still ends when it was to end, unless nothing of it is left."""
    back = old.returns_to_microusd
    is_raised = back is not None and cap_microusd > back
    return set_limit(
        old.scope, period=old.period, cap_microusd=cap_microusd, by=by, why=why,
        until=old.until if is_raised else None, returns_to_microusd=back if is_raised else None,
    )  # fmt: skip


def _end_of(old: Limit, cap_microusd: int, *, until: datetime | None, now: datetime) -> datetime | None:
    if until is None:
        return None if cap_microusd <= _own_cap(old) else now + RAISE_LASTS
    if not now < until <= now + RAISE_LASTS:
        raise RaiseTooLong(until=until.isoformat())
    return until


def _own_cap(limit: Limit) -> int:
    """Return what the table says about this limit; what it does not know has nothing to go back to."""
    kind, ref = limit.scope.kind, limit.scope.ref
    caps = start_caps(kind, ref=ref)
    if kind == Scope.Kind.PRODUCT:
        caps = start_caps("live_product") | caps
    return caps.get(limit.period, 0)


def _is_large(old: Limit, cap_microusd: int, *, before: int) -> bool:
    line = table_row("confirm")["above"]
    is_factory_day = old.scope.kind == Scope.Kind.FACTORY and old.period == Period.DAY
    return cap_microusd - before > line or (is_factory_day and cap_microusd > line)


def _confirm(limit: Limit, cap_microusd: int, *, by: str, why: str) -> None:
    """Let a raise pass that was asked for before, long enough ago; note any other."""
    now = timezone.now()
    asked = limit.raises.filter(cap_microusd=cap_microusd, done_at=None, asked_at__gt=now - CONFIRM_WITHIN)
    if asked.filter(asked_at__lte=now - FRESH).update(done_at=now):
        return
    first = asked.order_by("asked_at").first() or RaiseAsked.objects.create(
        limit=limit, cap_microusd=cap_microusd, by=by[:80], why=why[:300], asked_at=now
    )
    raise ConfirmAgain(to=in_words(cap_microusd), after=(first.asked_at + FRESH).isoformat())


def end_raises() -> int:
    """Let the old value return wherever a raise is over; return how many. Safe to run twice. Source: R-08.2."""
    over = list(Limit.objects.select_related("scope").filter(until__lte=business_now()))
    for limit in over:
        back = limit.returns_to_microusd or 0
        set_limit(limit.scope, period=limit.period, cap_microusd=back, why="the raise is over")
    return len(over)
