"""Hold the worst case before a call leaves, settle it once when the call is over."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from billing.errors import BudgetBusy, BudgetExceeded, HoldSettled, LimitsUnreadable
from billing.models import Entry, Hold, HoldPart, HoldQuerySet, Overage, Period, Scope, Window
from billing.rules import headroom
from billing.services.ledger import book_entry
from billing.services.scopes import call_cap, factory_scope, open_windows
from core.adapters import processes
from core.errors import BadArguments, NotFound
from core.ids import correlation
from core.money import in_words
from core.services import business_now, publish

_PAYERS = (Scope.Kind.PRODUCT, Scope.Kind.DAG, Scope.Kind.TASK, Scope.Kind.FACTORY)
"""Whose cost it is, first match: an entry stands in one scope, so that sums add up."""


def place_hold(
    *,
    scopes: Sequence[UUID],
    bound_microusd: int,
    call_id: UUID,
    correlation_id: UUID | None = None,
    seconds: int = 900,
) -> Hold:
    """Hold `bound_microusd` in every window of `scopes` and of the factory, or in none. Source: R-04.26.

    Args:
        scopes: ids of the billing scopes that pay.
        bound_microusd: worst-case price of the call in millionths of a US dollar.
        call_id: idempotency key; a repeat returns the first hold.
        correlation_id: the story it belongs to; None: the one that is running.
        seconds: machine time after which nobody is believed to settle it any more.

    Raises:
        BudgetBusy: it will fit once other calls are settled; nothing was held.
        BudgetExceeded: a limit would be passed; nothing was held.
        LimitsUnreadable: the factory has no limit for its day; nothing was held.
    """
    try:
        return _place_hold(
            set(scopes),
            bound_microusd=bound_microusd,
            call_id=call_id,
            correlation_id=correlation_id or correlation.get(),
            seconds=seconds,
        )
    except IntegrityError:  # the same call came twice at the same instant
        if first := Hold.objects.filter(call_id=call_id).first():
            return first
        raise


@transaction.atomic
def _place_hold(
    scopes: set[UUID], *, bound_microusd: int, call_id: UUID, correlation_id: UUID | None, seconds: int
) -> Hold:
    if first := Hold.objects.filter(call_id=call_id).first():
        return first
    if bound_microusd < 0:
        raise BadArguments(bound_microusd=bound_microusd)
    payers = scopes | {factory_scope().id}
    _check_call(payers, bound_microusd)
    windows = _windows_of(payers)
    ids = [window.id for window in windows]
    _lock(ids)
    if first := Hold.objects.filter(call_id=call_id).first():  # it came while we waited for the lock
        return first
    room = Window.objects.filter(id__in=ids).with_room_for(bound_microusd)
    if room.update(held_microusd=F("held_microusd") + bound_microusd) != len(ids):
        raise _refusal(ids, bound_microusd)
    hold = Hold.objects.create(
        call_id=call_id,
        bound_microusd=bound_microusd,
        owner=processes.process_name(),
        correlation_id=correlation_id,
        expires_at=timezone.now() + timedelta(seconds=seconds),
    )
    HoldPart.objects.bulk_create(HoldPart(hold=hold, window=window) for window in windows)
    return hold


def _windows_of(payers: set[UUID]) -> list[Window]:
    if missing := payers - set(Scope.objects.filter(id__in=payers).values_list("id", flat=True)):
        raise NotFound(scope=min(missing))
    windows = open_windows(payers, moment=business_now())
    if not any(w.scope.kind == Scope.Kind.FACTORY and w.period == Period.DAY for w in windows):
        raise LimitsUnreadable(missing="factory per day")
    return windows


def _check_call(payers: set[UUID], bound_microusd: int) -> None:
    cap = call_cap(payers)
    if cap is not None and bound_microusd > cap:
        raise BudgetExceeded(layer="one call", needed=in_words(bound_microusd), left=in_words(cap))


def _lock(ids: Sequence[UUID]) -> None:
    """Take the rows in one order, so that two calls never wait for each other."""
    list(Window.objects.select_for_update().filter(id__in=ids).order_by("id").values_list("id"))


def _refusal(ids: Sequence[UUID], bound_microusd: int) -> BudgetExceeded:
    """Name the tightest window; only then is a short wait worth while when all of them may fit later."""
    windows = Window.objects.filter(id__in=ids).select_related("scope")
    short = min(windows, key=lambda window: window.room.left)
    reason = BudgetBusy if all(w.room.may_ever_fit(bound_microusd) for w in windows) else BudgetExceeded
    return reason(
        layer=str(short),
        needed=in_words(bound_microusd),
        left=in_words(headroom(window.room for window in windows)),
        resets_at=short.ends_at.isoformat() if short.ends_at else "never",
    )


@transaction.atomic
def capture_hold(
    call_id: UUID,
    *,
    cost_microusd: int,
    agent: str = "",
    correlation_id: UUID | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Entry:
    """Book what the call cost and give the rest of its hold back; a repeat returns the first entry.

    A bill above the bound is booked at the bound, the rest becomes an `Overage`. A hold that was given up as lost
    is corrected to what the call really cost.

    Raises:
        NotFound: no hold of this call.
        HoldSettled: the hold was released: the call was known to be free.
    """
    hold = _find(call_id)
    cost = min(max(0, cost_microusd), hold.bound_microusd)
    story = _Story(hold, agent=agent, correlation_id=correlation_id, facts=dict(facts or {}))
    if _claim(hold, old=Hold.State.HELD, new=Hold.State.CAPTURED):
        _move(hold, held=-hold.bound_microusd, spent=cost)
        entry = story.book(cost)
    elif _claim(hold, old=Hold.State.EXPIRED, new=Hold.State.CAPTURED):
        _move(hold, spent=cost - hold.bound_microusd)
        story.book(-hold.bound_microusd, suffix=":reversed", is_lost=True)
        entry = story.book(cost, suffix=":found")
    else:
        return _first_entry(hold)
    if cost_microusd > hold.bound_microusd:
        story.book_overage(cost_microusd - hold.bound_microusd)
    return entry


@transaction.atomic
def lose_hold(call_id: UUID, *, agent: str = "", facts: Mapping[str, Any] | None = None) -> Entry:
    """Book a call whose cost nobody knows at its bound: unknown counts as spent. A repeat returns the first entry.

    Raises:
        NotFound: no hold of this call.
        HoldSettled: the hold was released: the call was known to be free.
    """
    hold = _find(call_id)
    if not _claim(hold, old=Hold.State.HELD, new=Hold.State.EXPIRED):
        return _first_entry(hold)
    _move(hold, held=-hold.bound_microusd, spent=hold.bound_microusd)
    publish("billing.hold_lost", call_id=str(call_id), bound_microusd=hold.bound_microusd)
    return _Story(hold, agent=agent, facts={**(facts or {}), "lost": True}).book(
        hold.bound_microusd, is_lost=True
    )


@transaction.atomic
def release_hold(call_id: UUID) -> None:
    """Give a hold back whole: the provider surely did not start. Safe to run twice; a captured hold stays."""
    hold = _find(call_id)
    if _claim(hold, old=Hold.State.HELD, new=Hold.State.RELEASED):
        _move(hold, held=-hold.bound_microusd)
    elif _claim(hold, old=Hold.State.EXPIRED, new=Hold.State.RELEASED):
        _move(hold, spent=-hold.bound_microusd)
        _Story(hold, facts={"why": "it was free"}).book(
            -hold.bound_microusd, suffix=":reversed", is_lost=True
        )


def expire_holds() -> int:
    """Book every hold that nobody settled in time at its bound; return how many. Safe to run twice."""
    return _lose_all(Hold.objects.overdue(timezone.now()), why="nobody settled it in time")


def settle_orphans(*, is_dead: processes.IsDead = processes.is_dead) -> int:
    """Book the open holds of processes that are known to be gone at their bound; return how many. Safe to run twice.

    Of processes of other hosts nothing is known; their holds expire by themselves. A caller that lives after all
    corrects its entry when it settles.
    """
    owners = Hold.objects.open().values_list("owner", flat=True).distinct().order_by()
    gone = [owner for owner in owners if is_dead(owner)]
    return _lose_all(Hold.objects.open().filter(owner__in=gone), why="its process is gone")


def _lose_all(holds: HoldQuerySet, *, why: str) -> int:
    calls = list(holds.values_list("call_id", flat=True))
    for call_id in calls:
        lose_hold(call_id, facts={"why": why})
    return len(calls)


def _find(call_id: UUID) -> Hold:
    hold = Hold.objects.filter(call_id=call_id).first()
    if hold is None:
        raise NotFound(hold_of_call=call_id)
    return hold


def _claim(hold: Hold, *, old: str, new: str) -> bool:
    """Settle the hold if nobody was first: the one update by which all settling is decided."""
    mine = Hold.objects.filter(id=hold.id, state=old)
    return mine.update(state=new, settled_at=timezone.now()) == 1


def _move(hold: Hold, *, held: int = 0, spent: int = 0) -> None:
    ids = list(hold.parts.values_list("window_id", flat=True))
    _lock(ids)
    Window.objects.filter(id__in=ids).update(
        held_microusd=F("held_microusd") + held, spent_microusd=F("spent_microusd") + spent
    )


def _first_entry(hold: Hold) -> Entry:
    ref = f"call:{hold.call_id}"
    entry = Entry.objects.filter(ref__in=(ref, f"{ref}:found")).order_by("ref").last()
    if entry is None:
        raise HoldSettled(call=hold.call_id)
    return entry


class _Story:
    """Whose cost a hold is, for the rows that book it."""

    def __init__(
        self, hold: Hold, *, agent: str = "", correlation_id: UUID | None = None, facts: dict[str, Any]
    ) -> None:
        scopes = list(Scope.objects.filter(windows__holds=hold).distinct())
        self.hold, self.facts, self.at = hold, facts, business_now()
        self.scope = min(
            (scope for scope in scopes if scope.kind in _PAYERS),
            key=lambda scope: _PAYERS.index(Scope.Kind(scope.kind)),
        )
        self.agent = agent or next((s.ref for s in scopes if s.kind == Scope.Kind.AGENT), "")
        self.correlation_id = correlation_id or hold.correlation_id

    def book(self, amount_microusd: int, *, suffix: str = "", is_lost: bool = False) -> Entry:
        """Write one entry of this call."""
        return book_entry(
            self.scope,
            kind=Entry.Kind.MODEL_CALL,
            ref=f"call:{self.hold.call_id}{suffix}",
            amount_microusd=amount_microusd,
            is_lost=is_lost,
            at=self.at,
            call_id=self.hold.call_id,
            agent=self.agent,
            correlation_id=self.correlation_id,
            facts=self.facts,
        )

    def book_overage(self, excess_microusd: int) -> None:
        """Write what the bill said above the bound."""
        Overage.objects.create(
            call_id=self.hold.call_id,
            scope=self.scope,
            bound_microusd=self.hold.bound_microusd,
            excess_microusd=excess_microusd,
            at=self.at,
            facts=self.facts,
        )
        publish("billing.overage_recorded", call_id=str(self.hold.call_id), excess_microusd=excess_microusd)
