"""Hold the worst case before a call leaves, settle it once when the call is over."""

import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.utils import timezone

from billing.adapters.limits import table_row
from billing.adapters.windows import the_windows
from billing.errors import HoldSettled
from billing.models import Entry, Hold, HoldQuerySet, Overage, Scope, Window
from billing.ports import Bill, Verdict, Windows, Wish
from billing.services.ledger import book_entry
from billing.services.refusals import refusal_of, short_of
from billing.services.scopes import factory_scope, open_scope, open_windows, payers_of
from billing.services.switches import require_open, stop_the_fast
from core.adapters import processes
from core.errors import BadArguments, NotFound
from core.ids import correlation, new_id
from core.services import business_now, publish

_TRIES: Final = 4
"""Opening windows, a midnight and a call that came twice at once are tried again; each can happen once."""


def place_hold(  # noqa: PLR0913 (what a call is known by)
    *,
    scopes: Sequence[UUID],
    bound_microusd: int,
    call_id: UUID,
    correlation_id: UUID | None = None,
    seconds: int = 900,
    provider: str = "",
    model: str = "",
    tier: str = "",
    owner: str = "",
) -> None:
    """Hold `bound_microusd` in every window of `scopes`, of who stands above them and of the factory, or in none.

    Source: R-02.14, R-04.26.

    Args:
        scopes: ids of the billing scopes that pay.
        bound_microusd: worst-case price of the call in millionths of a US dollar.
        call_id: idempotency key; a repeat holds nothing more.
        correlation_id: the story it belongs to; None: the one that is running.
        seconds: machine time after which nobody is believed to settle it any more.
        provider: who will be called; a switch may stand against it.
        model: the provider's name of the model; the same holds for it.
        tier: the model's tier, whose day counts too; left out for work that keeps its tier whatever it costs.
        owner: who settles it, where it outlives this process; empty: this process, and with it the hold is lost.

    Raises:
        BudgetBusy: it will fit once other calls are settled; nothing was held.
        TierSpent: the tier's day is spent, a lower one may do; nothing was held.
        BudgetExceeded: a limit would be passed; nothing was held.
        SwitchSet: something of this is switched off; nothing was held.
        LimitsUnreadable: the factory has no limit for its day, or the table of limits cannot be read; nothing was held.
    """
    if bound_microusd < 0:
        raise BadArguments(bound_microusd=bound_microusd)
    table_row("velocity")  # who spends without its lines would not be stopped
    now = timezone.now()
    wish = Wish(
        call_id=call_id,
        scopes=tuple(dict.fromkeys(scopes)),
        bound_microusd=bound_microusd,
        owner=owner or _owner(os.getpid()),
        correlation_id=correlation_id or correlation.get(),
        now=now,
        expires_at=now + timedelta(seconds=seconds),
        provider=provider,
        model=model,
        tier=tier if tier and tier in table_row("tier") else "",
    )
    for _ in range(_TRIES):
        verdict = _place(wish)
        if verdict in (Verdict.HELD, Verdict.REPEATED):
            return
        if verdict != Verdict.UNOPENED:
            raise refusal_of(wish, verdict)
        _open_all(wish)
        wish = _anew(wish)
    raise refusal_of(wish, Verdict.UNREADABLE)


def _place(wish: Wish) -> Verdict:
    try:
        return the_windows().place(wish)
    except IntegrityError:  # a window was opened and filled between our lock and our look
        if connection.in_atomic_block:
            raise
        return Verdict.UNOPENED


def _anew(wish: Wish) -> Wish:
    """Return the wish as of now: a midnight may have come, and what was opened is of the new day."""
    now = timezone.now()
    return replace(wish, now=now, expires_at=now + (wish.expires_at - wish.now))


def _open_all(wish: Wish) -> None:
    factory_scope()
    if wish.tier:
        open_scope(kind=Scope.Kind.TIER, ref=wish.tier, label=f"{wish.tier.capitalize()} models")
    open_windows(payers_of(wish.scopes, tier=wish.tier), moment=business_now())


@lru_cache(maxsize=2)
def _owner(pid: int) -> str:
    """Return the name of this process; a fork has another number."""
    return processes.process_name(pid)


def holding() -> AbstractContextManager[None]:
    """Return a transaction for a hold and what is written with it: when it ended, all of it is on the disk.

    Others may hold before that; if the power goes, they found less room than there was.
    """
    return the_windows().holding()


def settling() -> AbstractContextManager[None]:
    """Return a transaction for a settlement and what is kept with it, whose end does not wait for the disk.

    If the power goes, the hold stands again and expires at its bound, and nothing of the rest was kept.
    """
    return the_windows().settling()


@transaction.atomic
def extend_hold(call_id: UUID, *, more_microusd: int) -> Hold:
    """Hold so much more for a call that is on its way, in every window it stands in, or nothing more. Source: R-02.18.

    Raises:
        BudgetBusy, BudgetExceeded, SwitchSet: it may not; the hold stays as it is.
        HoldSettled: the call is over.
        NotFound: no hold of this call.
    """
    if more_microusd < 0:
        raise BadArguments(more_microusd=more_microusd)
    the_windows().lock()
    hold = _find(call_id)
    scopes = tuple(Scope.objects.filter(windows__in=hold.windows).values_list("id", flat=True).distinct())
    require_open(scopes, provider=hold.provider, model=hold.model)
    more = {"bound_microusd": F("bound_microusd") + more_microusd}
    if not Hold.objects.open().filter(pk=hold.pk).update(**more):
        raise HoldSettled(call=call_id)
    windows = Window.objects.filter(id__in=hold.windows)
    held = F("held_microusd") + more_microusd
    if windows.with_room_for(more_microusd).update(held_microusd=held) != len(hold.windows):
        raise short_of(windows, more_microusd)
    hold.refresh_from_db()
    return hold


def capture_hold(
    call_id: UUID,
    *,
    cost_microusd: int,
    agent: str = "",
    correlation_id: UUID | None = None,
    facts: Mapping[str, Any] | None = None,
) -> int:
    """Book what the call cost and give the rest of its hold back; return the micro-dollars that stand booked for it.

    A repeat books nothing more. A bill above the bound is booked at the bound, the rest becomes an `Overage`. A hold
    that was given up as lost is corrected to what the call really cost.

    Raises:
        NotFound: no hold of this call.
        HoldSettled: the hold was released: the call was known to be free.
    """
    bill = _bill(
        call_id, Hold.State.CAPTURED, cost=cost_microusd, agent=agent, story=correlation_id, facts=facts
    )
    windows = the_windows()
    if (settled := windows.settle_alone(bill)) is not None:
        stop_the_fast(settled.pace)
        return settled.amount_microusd
    with windows.settling():
        return _capture(windows, bill, cost_microusd=cost_microusd)


def _capture(windows: Windows, bill: Bill, *, cost_microusd: int) -> int:
    settled = windows.settle(bill)
    if settled is None:
        return _correct(bill.call_id, bill)
    if cost_microusd > settled.bound_microusd:
        publish("billing.overage_recorded", call_id=str(bill.call_id), excess_microusd=cost_microusd - settled.bound_microusd)  # fmt: skip
    stop_the_fast(settled.pace)
    return settled.amount_microusd


def lose_hold(call_id: UUID, *, agent: str = "", facts: Mapping[str, Any] | None = None) -> int:
    """Book a call whose cost nobody knows at its bound: unknown counts as spent; return the micro-dollars booked for it.

    A repeat books nothing more.

    Raises:
        NotFound: no hold of this call.
        HoldSettled: the hold was released: the call was known to be free.
    """
    bill = _bill(call_id, Hold.State.EXPIRED, cost=None, agent=agent, facts={**(facts or {}), "lost": True})
    with the_windows().settling():
        settled = the_windows().settle(bill)
        if settled is None:
            return _booked(_find(call_id))
        publish("billing.hold_lost", call_id=str(call_id), bound_microusd=settled.bound_microusd)
        stop_the_fast(settled.pace)
        return settled.amount_microusd


def release_hold(call_id: UUID) -> None:
    """Give a hold back whole: the provider surely did not start. Safe to run twice; a captured hold stays."""
    with the_windows().settling():
        if not the_windows().settle(_bill(call_id, Hold.State.RELEASED, cost=0)):
            _find_free(_find(call_id))


def _find_free(hold: Hold) -> None:
    """Take back what was booked for a lost call that turned out to be free."""
    the_windows().lock()
    if _claim(hold, old=Hold.State.EXPIRED, new=Hold.State.RELEASED):
        _give_back(hold, hold.bound_microusd)
        lost = Entry.objects.get(ref=f"call:{hold.call_id}")
        facts = {**lost.facts, "why": "it was free"}
        _take_back(hold, lost, facts=facts)


def expire_holds() -> int:
    """Book every hold that nobody settled in time at its bound; return how many. Safe to run twice. Source: R-02.25."""
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
    calls = list(holds.values_list("call_id", "model"))
    for call_id, model in calls:
        try:
            lose_hold(call_id, facts={"why": why, "asked": model})
        except HoldSettled:  # its caller found it to be free meanwhile
            continue
    return len(calls)


def _bill(
    call_id: UUID,
    state: Hold.State,
    *,
    cost: int | None,
    agent: str = "",
    story: UUID | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Bill:
    return Bill(
        call_id=call_id,
        state=state.value,
        cost_microusd=cost,
        entry_id=new_id(),
        now=timezone.now(),
        agent=agent,
        correlation_id=story,
        facts=dict(facts or {}),
    )


def _correct(call_id: UUID, bill: Bill) -> int:
    """Replace the bound of a lost hold by what the call really cost."""
    the_windows().lock()
    hold = _find(call_id)
    if not _claim(hold, old=Hold.State.EXPIRED, new=Hold.State.CAPTURED):
        return _booked(hold)
    asked = max(0, bill.cost_microusd or 0)
    cost = min(asked, hold.bound_microusd)
    _give_back(hold, hold.bound_microusd - cost)
    lost = Entry.objects.get(ref=f"call:{call_id}")
    _take_back(hold, lost, facts=lost.facts)
    _book_more(hold, cost, suffix=":found", facts=bill.facts, agent=bill.agent)
    if asked > cost:
        _book_overage(hold, asked - cost, facts=bill.facts)
    return cost


def _find(call_id: UUID) -> Hold:
    hold = Hold.objects.select_related("payer").filter(call_id=call_id).first()
    if hold is None:
        raise NotFound(hold_of_call=call_id)
    return hold


def _claim(hold: Hold, *, old: str, new: str) -> bool:
    mine = Hold.objects.filter(pk=hold.pk, state=old)
    return mine.update(state=new, settled_at=timezone.now()) == 1


def _give_back(hold: Hold, amount_microusd: int) -> None:
    Window.objects.filter(id__in=hold.windows).update(spent_microusd=F("spent_microusd") - amount_microusd)


def _booked(hold: Hold) -> int:
    ref = f"call:{hold.call_id}"
    entry = Entry.objects.filter(ref__in=(ref, f"{ref}:found")).order_by("ref").last()
    if entry is None:
        raise HoldSettled(call=hold.call_id)
    return entry.amount_microusd


def _take_back(hold: Hold, lost: Entry, *, facts: Mapping[str, Any]) -> None:
    _book_more(hold, -hold.bound_microusd, suffix=":reversed", takes_back=lost, facts=facts, agent=lost.agent)


def _book_more(
    hold: Hold,
    amount: int,
    *,
    suffix: str,
    facts: Mapping[str, Any],
    agent: str = "",
    takes_back: Entry | None = None,
) -> None:
    book_entry(
        _payer(hold),
        kind=Entry.Kind.MODEL_CALL,
        ref=f"call:{hold.call_id}{suffix}",
        amount_microusd=amount,
        is_lost=takes_back is not None,
        call_id=hold.call_id,
        agent=agent or hold.agent,
        correlation_id=hold.correlation_id,
        facts=facts,
        takes_back=takes_back,
    )


def _book_overage(hold: Hold, excess_microusd: int, *, facts: Mapping[str, Any]) -> None:
    Overage.objects.create(
        call_id=hold.call_id,
        scope=_payer(hold),
        bound_microusd=hold.bound_microusd,
        excess_microusd=excess_microusd,
        at=business_now(),
        facts=dict(facts),
    )
    publish("billing.overage_recorded", call_id=str(hold.call_id), excess_microusd=excess_microusd)


def _payer(hold: Hold) -> Scope:
    return hold.payer or factory_scope()
