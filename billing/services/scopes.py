"""Open the address of money and say what it may spend."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.models import Min, Q

from billing.adapters.limits import start_caps
from billing.models import Limit, Period, Scope, Switch, Window
from billing.rules import period_bounds
from billing.services.limits import give_limits
from core.adapters.rows import find_rows
from core.errors import BadArguments
from core.ids import correlation
from core.models import User
from core.services import current_mode


@transaction.atomic
def open_scope(
    *, kind: str, ref: str, label: str, owner: User | None = None, parent: Scope | None = None
) -> Scope:
    """Return the scope of this thing, opened with the limits of the table at the first call; `parent` pays with it.

    Raises:
        LimitsUnreadable: the table says nothing readable about this kind; nothing was opened.
    """
    scope, is_new = Scope.objects.get_or_create(
        kind=kind,
        ref=ref,
        defaults={
            "label": label[:160],
            "owner": owner,
            "parent": parent,
            "correlation_id": correlation.get(),
            "mode": current_mode(),
        },
    )
    if is_new:
        give_limits(scope, row=kind)
    elif parent is not None and scope.parent_id != parent.id:
        Scope.objects.filter(pk=scope.pk).update(parent=parent)
        scope.parent = parent
    return scope


def team_scope(name: str) -> Scope:
    """Return the scope of a team: its day limits all its agents together."""
    return open_scope(kind=Scope.Kind.TEAM, ref=name, label=f"{name.capitalize()} team")


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


@transaction.atomic
def rename_scope(scope: Scope, *, ref: str, label: str) -> None:
    """Let the scope follow the name of the thing it belongs to, and what is switched off stay off. Safe to run twice."""
    kind, old = Scope.objects.values_list("kind", "ref").get(pk=scope.pk)
    if old != ref:
        Switch.objects.filter(kind=kind, ref=old, cleared_at=None).update(ref=ref)
    Scope.objects.filter(pk=scope.pk).update(ref=ref, label=label[:160])
    scope.ref, scope.label = ref, label[:160]


def factory_scope() -> Scope:
    """Return the scope of the whole factory, which pays for everything."""
    return open_scope(kind=Scope.Kind.FACTORY, ref="factory", label="Factory")


@transaction.atomic
def start_small() -> None:
    """Let a fresh factory spend no more than the first day's limit until its owner says how much. Source: U-6."""
    if not Scope.objects.filter(kind=Scope.Kind.FACTORY).exists():
        give_limits(factory_scope(), row="first_day")


def call_cap(scopes: Iterable[UUID]) -> int | None:
    """Return the most that one call of these scopes may cost in micro-dollars; None: no such limit."""
    caps = Limit.objects.filter(scope__in=tuple(scopes), period=Period.CALL)
    least: int | None = caps.aggregate(least=Min("cap_microusd"))["least"]
    return least


@dataclass(frozen=True)
class Terms:
    """What binds one call beside the windows it is held in.

    Attributes:
        call_cap_microusd: the most that one call may cost; None: no such limit.
        day_share: how much of its agent's day is spent or held already, 0 to 1 and above.
    """

    call_cap_microusd: int | None
    day_share: float


def terms_of_call(scopes: Iterable[UUID], *, moment: datetime) -> Terms:
    """Return what binds one call of these scopes at business time `moment`; one small statement."""
    line, key = connections[DEFAULT_DB_ALIAS], Scope._meta.pk
    ids = [key.get_db_prep_value(scope, line) for scope in scopes]
    now = line.ops.adapt_datetimefield_value(moment)
    rows = find_rows(_terms_of(len(ids)), [*ids, *ids, now, now])
    caps = [cap for kind, cap, _, _ in rows if kind == Period.CALL]
    days = [(spent + held) / cap for kind, cap, spent, held in rows if kind == Period.DAY and cap]
    return Terms(min(caps, default=None), max(days, default=0.0))


@lru_cache(maxsize=16)
def _terms_of(scopes: int) -> str:
    return _TERMS.format(ids=", ".join(["%s"] * scopes) or "NULL")


_TERMS = """
    SELECT period, cap_microusd, 0, 0 FROM billing_limit WHERE period = 'call' AND scope_id IN ({ids})
    UNION ALL
    SELECT w.period, w.cap_microusd, w.spent_microusd, w.held_microusd
    FROM billing_window w JOIN billing_scope s ON s.id = w.scope_id
    WHERE s.kind = 'agent' AND w.period = 'day' AND w.scope_id IN ({ids})
        AND w.starts_at <= %s AND (w.ends_at IS NULL OR w.ends_at > %s)
"""


def payers_of(scopes: Iterable[UUID], *, tier: str = "") -> set[UUID]:
    """Return the ids of `scopes`, of who stands above them, of the tier and of the factory: who a call of theirs costs."""
    asked = set(scopes)
    beside = Q(kind=Scope.Kind.FACTORY, ref="factory") | Q(kind=Scope.Kind.TIER, ref=tier)
    found = Scope.objects.filter(Q(id__in=asked) | beside).values_list("id", "parent_id")
    return {one for pair in found for one in pair if one is not None}


def open_windows(scopes: Iterable[UUID], *, moment: datetime) -> list[Window]:
    """Return the window of every limit of `scopes`, and of who stands above them, at business time `moment`.

    Missing ones are opened under a lock of their limits: whoever changes a limit meanwhile changes the window too.
    """
    asked = set(scopes)
    asked |= set(Scope.objects.filter(id__in=asked, parent__isnull=False).values_list("parent_id", flat=True))
    limits = list(Limit.objects.filter(scope__in=asked).exclude(period=Period.CALL))
    found = {_place(window): window for window in _windows_at(asked, moment)}
    wanted = {
        (limit.scope_id, limit.period, period_bounds(limit.period, moment)[0]): limit.id for limit in limits
    }
    if missing := [limit for place, limit in wanted.items() if place not in found]:
        _open(missing, moment=moment)
        found = {_place(window): window for window in _windows_at(asked, moment)}
    return sorted((w for place, w in found.items() if place in wanted), key=lambda window: window.id)


def _windows_at(scopes: set[UUID], moment: datetime) -> Iterable[Window]:
    return Window.objects.at(moment).filter(scope__in=scopes).select_related("scope")


def _place(window: Window) -> tuple[UUID, str, datetime]:
    return window.scope_id, window.period, window.starts_at


@transaction.atomic
def _open(limits: Iterable[UUID], *, moment: datetime) -> None:
    locked = Limit.objects.select_for_update(of=("self",)).filter(id__in=limits).order_by("id")
    Window.objects.bulk_create([_window_of(limit, moment=moment) for limit in locked], ignore_conflicts=True)


def _window_of(limit: Limit, *, moment: datetime) -> Window:
    starts_at, ends_at = period_bounds(limit.period, moment)
    cap = limit.cap_at(moment)
    return Window(
        scope_id=limit.scope_id,
        period=limit.period,
        starts_at=starts_at,
        ends_at=ends_at,
        cap_microusd=cap,
        amount_microusd=cap,
    )
