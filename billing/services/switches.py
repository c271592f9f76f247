"""Switch things off and on, and watch how fast money goes."""

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q, Sum
from django.utils import timezone

from billing.adapters.limits import table_row
from billing.errors import LimitsUnreadable, SwitchSet, SwitchUnknown
from billing.models import Pace, Scope, Switch
from billing.rules import RING, SLOT_S
from billing.services.scopes import payers_of
from core.models import Installation
from core.money import in_words
from core.services import audit, publish, start_again, stop_everything

logger = logging.getLogger(__name__)
ALL: Final = "factory"
"""The ref of everything."""
PAUSE: Final = timedelta(minutes=10)
"""How long an agent that spends too fast is paused. Machine time. Source: R-02.15."""
KEPT: Final = timedelta(days=366)
_SCOPED = (Switch.Kind.TEAM, Switch.Kind.AGENT, Switch.Kind.PRODUCT)
_LOOK = """
select (select stopped_at from core_installation), count(*), count(cleared_at), max(set_at), max(cleared_at) from billing_switch
"""


@transaction.atomic
def set_switch(
    kind: str, ref: str, *, by: str, reason: str, until: datetime | None = None, is_auto: bool = False
) -> Switch:
    """Switch something off for new calls and open streams; what is off already stays as it was set. Source: R-08.17.

    `ref` is `factory` for everything and the throttle, a team, an agent, a product's scope ref, a provider or
    `provider/model`; at the machine time `until` it ends by itself, None: by hand.

    Raises:
        SwitchUnknown: no such kind, or nothing to name or to say.
    """
    if kind not in Switch.Kind.values or not ref.strip() or not reason.strip() or not by.strip():
        raise SwitchUnknown(kind=kind, ref=ref)
    ref = ALL if kind == Switch.Kind.GLOBAL else ref
    now = timezone.now()
    if kind == Switch.Kind.GLOBAL:
        note_start(by="started elsewhere")
    if there := _lasting(kind, ref, until=until, now=now):
        return there
    switch = Switch.objects.create(
        kind=kind, ref=ref[:130], by=by[:80], reason=reason.strip()[:300], is_auto=is_auto, set_at=now, until=until
    )  # fmt: skip
    if kind == Switch.Kind.GLOBAL:
        stop_everything(by=by, reason=reason)
    audit(actor=by[:80], verb="billing.set_switch", subject=f"{kind} {ref}", why=reason[:300])
    publish("billing.switch_set", scope_kind=kind, ref=ref, by=by[:80], reason=reason[:300])
    return switch


def _lasting(kind: str, ref: str, *, until: datetime | None, now: datetime) -> Switch | None:
    """Return what is switched off as long as is wanted now, or longer."""
    longer = Q(until=None) if until is None else Q(until=None) | Q(until__gte=until)
    return Switch.objects.open(now).filter(longer, kind=kind, ref=ref).first()


@transaction.atomic
def clear_switch(kind: str, ref: str, *, by: str) -> bool:
    """Switch something on again and say whether it was off; whoever calls has asked who may. Safe to run twice.

    A probe (`by="probe"`) clears what code set, and leaves what a person set.
    """
    ref = ALL if kind == Switch.Kind.GLOBAL else ref
    mine = Switch.objects.filter(kind=kind, ref=ref, cleared_at=None)
    if by == "probe":
        mine = mine.filter(is_auto=True)
    was_off = bool(mine.update(cleared_at=timezone.now(), cleared_by=by[:80]))
    if kind == Switch.Kind.GLOBAL:
        start_again(by=by)
    if was_off:
        audit(actor=by[:80], verb="billing.clear_switch", subject=f"{kind} {ref}")
        publish("billing.switch_cleared", scope_kind=kind, ref=ref, by=by[:80])
    return was_off


def open_switches() -> list[Switch]:
    """Return what is switched off now, everything first; a stop by other hands counts too."""
    found = list(Switch.objects.open(timezone.now()))
    stop = _stop_of(Installation.objects.filter(stopped_at__isnull=False).first())
    if stop is None:
        found = [one for one in found if one.kind != Switch.Kind.GLOBAL]
    elif not any(one.kind == Switch.Kind.GLOBAL for one in found):
        found.append(stop)
    return sorted(found, key=lambda one: one.kind != Switch.Kind.GLOBAL)


def _stop_of(ground: Installation | None) -> Switch | None:
    """Return a stop that was not made here as the switch it is; it is no row of ours yet."""
    if ground is None or ground.stopped_at is None:
        return None
    return Switch(
        kind=Switch.Kind.GLOBAL, ref=ALL, by=ground.stopped_by, reason="everything was stopped", set_at=ground.stopped_at
    )  # fmt: skip


def epoch() -> str:
    """Return a word that changes whenever something is switched off or on: one small query, for open streams.

    Their number counts too: of two that were set at once, the later to be committed may have the earlier time.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LOOK)
        return "|".join(str(value) for value in cursor.fetchone())


def switch_against(*, scopes: Iterable[UUID], provider: str = "", model: str = "") -> Switch | None:
    """Return what stands against a call of these scopes to this model now; None: nothing. A throttle is no switch. Source: R-02.17."""
    off = [one for one in open_switches() if one.kind != Switch.Kind.THROTTLE]
    if not off:
        return None
    named = set(Scope.objects.filter(id__in=payers_of(scopes), kind__in=_SCOPED).values_list("kind", "ref"))
    named |= {("global", ALL), ("provider", provider), ("model", f"{provider}/{model}")}
    return next((one for one in off if (one.kind, one.ref) in named), None)


def require_open(scopes: Iterable[UUID], *, provider: str = "", model: str = "") -> None:
    """Refuse when something of this call is switched off.

    Raises:
        SwitchSet: it says what, why and until when.
    """
    if off := switch_against(scopes=scopes, provider=provider, model=model):
        until = off.until.isoformat() if off.until else "somebody switches it on"
        raise SwitchSet(kind=off.kind, ref=off.ref, reason=off.reason, until=until)


def stop_the_fast(pace: Mapping[tuple[str, str], int]) -> None:
    """Switch off who spent too much within five minutes; call it in the transaction that booked. Source: R-02.15."""
    if not pace:
        return
    try:
        lines = table_row("velocity")
    except LimitsUnreadable:  # nothing new is held until it can be read; what was spent is booked
        logger.exception("billing.velocity_unread")
        return
    for (kind, ref), spent in pace.items():
        if kind == Scope.Kind.FACTORY:
            if spent > lines["factory_stop"]:
                _stop_fast(Switch.Kind.GLOBAL, ALL, line=lines["factory_stop"], spent=spent)
        elif spent > lines["agent_stop"]:
            _stop_fast(Switch.Kind.AGENT, ref, line=lines["agent_stop"], spent=spent)
        elif spent > lines["agent_pause"]:
            _stop_fast(Switch.Kind.AGENT, ref, line=lines["agent_pause"], spent=spent, pause=PAUSE)


def _stop_fast(kind: str, ref: str, *, line: int, spent: int, pause: timedelta | None = None) -> None:
    """A pause is not made longer by what was under way when it began; what a person has seen counts no more."""
    now = timezone.now()
    seen_at = last_resumed(kind, ref, now=now)
    if kind == Switch.Kind.GLOBAL:
        note_start(by="started elsewhere")
    open_now = Switch.objects.open(now).filter(kind=kind, ref=ref)
    if open_now.exists() if pause else open_now.filter(until=None).exists():
        return
    if seen_at is not None:
        spent = _spent_since(seen_at, kind, ref)
    if spent > line:
        reason, until = f"{in_words(spent)} within five minutes", None if pause is None else now + pause
        set_switch(kind, ref, by="velocity", reason=reason, until=until, is_auto=True)


def last_resumed(kind: str, ref: str, *, now: datetime) -> datetime | None:
    """Return when within the last five minutes of machine time this was switched on again; None: it was not."""
    lately = Switch.objects.filter(kind=kind, ref=ref, cleared_at__gt=now - timedelta(seconds=RING * SLOT_S))
    return lately.order_by("cleared_at").values_list("cleared_at", flat=True).last()


def _spent_since(moment: datetime, kind: str, ref: str) -> int:
    """Return what an agent, or the factory, spent after the ten seconds of `moment`."""
    of = Scope.Kind.FACTORY if kind == Switch.Kind.GLOBAL else Scope.Kind.AGENT
    later = Pace.objects.filter(scope__kind=of, scope__ref=ref, slot__gt=int(moment.timestamp()) // SLOT_S)
    total: int = later.aggregate(total=Sum("amount_microusd", default=0))["total"]
    return total


def pace_microusd(scopes: Iterable[UUID], *, seconds: int = RING * SLOT_S) -> dict[UUID, int]:
    """Return what each of these agents, or the factory, spent within the last seconds of machine time (at most ten minutes)."""
    first = int(timezone.now().timestamp()) // SLOT_S - seconds // SLOT_S
    ids = tuple(scopes)
    rows = (
        Pace.objects.filter(scope__in=ids, slot__gte=first)
        .values_list("scope")
        .annotate(Sum("amount_microusd"))
    )
    return dict.fromkeys(ids, 0) | dict(rows)


@transaction.atomic
def tidy_switches() -> None:
    """Lift throttles whose spending is calm again and forget what is too old. Safe to run twice. Source: R-08.17, R-08.20."""
    now, lines = timezone.now(), table_row("velocity")
    for throttle in Switch.objects.open(now).filter(kind=Switch.Kind.THROTTLE, set_at__lt=now - PAUSE / 2):
        kind, line = (
            (Scope.Kind.FACTORY, "factory_stop") if throttle.ref == ALL else (Scope.Kind.AGENT, "agent_pause")
        )
        scope = Scope.objects.filter(kind=kind, ref=throttle.ref).first()
        if scope is None or pace_microusd([scope.id])[scope.id] < lines[line] // 5:
            clear_switch(throttle.kind, throttle.ref, by="velocity")
    Pace.objects.filter(slot__lt=int((now - PAUSE).timestamp()) // SLOT_S).delete()
    Switch.objects.filter(set_at__lt=now - KEPT).exclude(id__in=Switch.objects.open(now)).delete()
    Switch.objects.filter(cleared_at=None, until__lte=now).update(
        cleared_at=now, cleared_by="its time was over"
    )


@transaction.atomic
def note_stop(*, by: str) -> None:
    """Keep a stop that came from elsewhere among the switches. Safe to run twice."""
    stop = _stop_of(Installation.objects.filter(stopped_at__isnull=False).first())
    if stop and not Switch.objects.open(timezone.now()).filter(kind=Switch.Kind.GLOBAL).exists():
        stop.by = stop.by or by[:80] or "unknown"
        stop.save(force_insert=True)


@transaction.atomic
def note_start(*, by: str) -> None:
    """Close the rows of a stop that was ended elsewhere. Safe to run twice."""
    if not Installation.objects.filter(stopped_at__isnull=False).exists():
        Switch.objects.filter(kind=Switch.Kind.GLOBAL, cleared_at=None).update(
            cleared_at=timezone.now(), cleared_by=by[:80] or "unknown"
        )
