"""Open the address of money and say what it may spend."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import BigIntegerField, F, Min, Value
from django.db.models.functions import Greatest

from billing.adapters.limits import start_caps
from billing.errors import CeilingPassed, LimitUnknown, RaiseForbidden
from billing.models import Limit, Period, Scope, Window
from billing.rules import CEILING_MICROUSD, period_bounds
from core.errors import BadArguments
from core.ids import correlation
from core.models import User
from core.money import in_words
from core.services import audit, business_now, current_mode, publish


@transaction.atomic
def open_scope(*, kind: str, ref: str, label: str, owner: User | None = None) -> Scope:
    """Return the scope of this thing, opened with the limits of the table at the first call.

    Raises:
        LimitsUnreadable: the table says nothing readable about this kind; nothing was opened.
    """
    scope, is_new = Scope.objects.get_or_create(
        kind=kind,
        ref=ref,
        defaults={
            "label": label[:160],
            "owner": owner,
            "correlation_id": correlation.get(),
            "mode": current_mode(),
        },
    )
    if is_new:
        give_limits(scope, row=kind)
    return scope


@transaction.atomic
def open_scopes(*, kind: str, labels: Mapping[str, str]) -> dict[str, Scope]:
    """Return new scopes for many things of one kind (no agents) at once, by their refs, with the limits of the table.

    Args:
        kind: what sort of things they are.
        labels: from the ref of each thing, its label; none of them has a scope yet.

    Raises:
        LimitsUnreadable: the table says nothing readable about this kind; nothing was opened.
    """
    common = {"kind": kind, "correlation_id": correlation.get(), "mode": current_mode()}
    scopes = {ref: Scope(ref=ref, label=label[:160], **common) for ref, label in labels.items()}
    Scope.objects.bulk_create(scopes.values())
    caps = start_caps(kind)
    Limit.objects.bulk_create(
        Limit(scope=scope, period=period, cap_microusd=cap)
        for scope in scopes.values()
        for period, cap in caps.items()
    )
    return scopes


@transaction.atomic
def cap_scopes(caps: Mapping[Scope, int]) -> None:
    """Say what each of these new scopes, of which nothing was spent yet, may spend in all.

    Raises:
        BadArguments: a negative cap; nothing was set.
    """
    if any(cap < 0 for cap in caps.values()):
        raise BadArguments(least_cap_microusd=min(caps.values()))
    Limit.objects.bulk_create(
        [Limit(scope=scope, period=Period.LIFE, cap_microusd=cap) for scope, cap in caps.items()],
        update_conflicts=True,
        unique_fields=["scope", "period"],
        update_fields=["cap_microusd"],
    )


def rename_scope(scope: Scope, *, ref: str, label: str) -> None:
    """Let the scope follow the name of the thing it belongs to. Safe to run twice."""
    Scope.objects.filter(pk=scope.pk).update(ref=ref, label=label[:160])


def factory_scope() -> Scope:
    """Return the scope of the whole factory, which pays for everything."""
    return open_scope(kind=Scope.Kind.FACTORY, ref="factory", label="Factory")


@transaction.atomic
def start_small() -> None:
    """Let a fresh factory spend no more than the first day's limit until its owner says how much. Source: U-6."""
    if not Scope.objects.filter(kind=Scope.Kind.FACTORY).exists():
        give_limits(factory_scope(), row="first_day")


@transaction.atomic
def give_limits(scope: Scope, *, row: str) -> None:
    """Give `scope` the limits of a row of the table, e.g. `live_product` once a product is live. Safe to run twice."""
    for period, cap_microusd in start_caps(row, ref=scope.ref).items():
        set_limit(scope, period=period, cap_microusd=cap_microusd)


@transaction.atomic
def set_limit(scope: Scope, *, period: str, cap_microusd: int, by: str = "system", why: str = "") -> Limit:
    """Set what `scope` may spend per `period`, for open windows too; what is committed already stays.

    Raises:
        CeilingPassed: a day would be allowed more than the ceiling.
        BadArguments: no such period, or a negative cap.
    """
    if period not in Period.values or cap_microusd < 0:
        raise BadArguments(period=period, cap_microusd=cap_microusd)
    if period == Period.DAY and cap_microusd > CEILING_MICROUSD:
        raise CeilingPassed(ceiling=in_words(CEILING_MICROUSD), asked=in_words(cap_microusd))
    limit, _ = Limit.objects.update_or_create(
        scope=scope, period=period, defaults={"cap_microusd": cap_microusd}
    )
    committed = F("spent_microusd") + F("held_microusd")
    cap = Value(cap_microusd, output_field=BigIntegerField())
    Window.objects.at(business_now()).filter(scope=scope, period=period).update(
        cap_microusd=cap_microusd, amount_microusd=Greatest(cap, committed)
    )
    audit(
        actor=by,
        verb="billing.set_limit",
        subject=f"{scope} {limit.get_period_display()}",
        cap_microusd=cap_microusd,
        why=why[:300],
    )
    publish("billing.limit_changed", scope_id=str(scope.id), period=period, cap_microusd=cap_microusd)
    return limit


@transaction.atomic
def change_limit(
    scope: Scope, *, period: str, cap_microusd: int, by: str, may_raise: bool, why: str
) -> Limit:
    """Lower a limit that exists, or raise it if they may and say why. Source: R-08.2.

    Raises:
        LimitUnknown: `scope` has no limit for this period; a new one is not made by hand.
        RaiseForbidden: they may only lower it, or said no reason.
        CeilingPassed: a day would be allowed more than the ceiling.
    """
    old = Limit.objects.filter(scope=scope, period=period).first()
    if old is None:
        raise LimitUnknown(limit=f"{scope} {period}")
    if cap_microusd > old.cap_microusd and not (may_raise and why.strip()):
        raise RaiseForbidden(from_=in_words(old.cap_microusd), to=in_words(cap_microusd))
    return set_limit(scope, period=period, cap_microusd=cap_microusd, by=by, why=why.strip())


def call_cap(scopes: Iterable[UUID]) -> int | None:
    """Return the most that one call of these scopes may cost in micro-dollars; None: no such limit."""
    caps = Limit.objects.filter(scope__in=tuple(scopes), period=Period.CALL)
    least: int | None = caps.aggregate(least=Min("cap_microusd"))["least"]
    return least


def open_windows(scopes: Iterable[UUID], *, moment: datetime) -> list[Window]:
    """Return the window of every limit of `scopes` at business time `moment`, opened where it is the first."""
    limits = Limit.objects.filter(scope__in=tuple(scopes)).exclude(period=Period.CALL)
    wanted = [_window_of(limit, moment=moment) for limit in limits]
    Window.objects.bulk_create(wanted, ignore_conflicts=True)
    places = {(window.scope_id, window.period, window.starts_at) for window in wanted}
    open_now = (
        Window.objects.at(moment).filter(scope__in=tuple(scopes)).select_related("scope").order_by("id")
    )
    return [window for window in open_now if (window.scope_id, window.period, window.starts_at) in places]


def _window_of(limit: Limit, *, moment: datetime) -> Window:
    starts_at, ends_at = period_bounds(limit.period, moment)
    cap = limit.cap_microusd
    return Window(
        scope_id=limit.scope_id,
        period=limit.period,
        starts_at=starts_at,
        ends_at=ends_at,
        cap_microusd=cap,
        amount_microusd=cap,
    )
