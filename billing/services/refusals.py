"""Say why a call was refused, in words for who asked."""

from collections.abc import Iterable
from typing import Final

from django.db.models import Min

from billing.errors import BudgetBusy, BudgetExceeded, LimitsUnreadable, SwitchSet, TierSpent
from billing.models import Limit, Period, Scope, Window
from billing.ports import Verdict, Wish
from billing.rules import headroom
from billing.services.scopes import open_windows, payers_of
from billing.services.switches import require_open
from core.errors import FactoryError, NotFound
from core.money import in_words
from core.registry import Shortage
from core.services import business_now

ONE_CALL: Final = "one call"
_OWN: Final = frozenset({Scope.Kind.TASK, Scope.Kind.SESSION})
"""A task that has used up its own limit has failed; one that meets a limit it shares waits."""


def refusal_of(wish: Wish, verdict: Verdict) -> FactoryError:
    """Return what a refused wish is told; rows may have moved meanwhile, the refusal stands."""
    match verdict:
        case Verdict.UNKNOWN:
            known = set(Scope.objects.filter(id__in=wish.scopes).values_list("id", flat=True))
            return NotFound(scope=min(set(wish.scopes) - known, default=None))
        case Verdict.SHUT:
            return _shut(wish)
        case Verdict.ABOVE_CALL:
            return _above_call(wish)
        case Verdict.NARROW:
            return BudgetBusy(layer="the throttle: one call at a time", needed=in_words(wish.bound_microusd))
        case Verdict.SHORT:
            payers = payers_of(wish.scopes, tier=wish.tier)
            return short_of(open_windows(payers, moment=business_now()), wish.bound_microusd)
    return LimitsUnreadable(missing="factory per day")


def _shut(wish: Wish) -> FactoryError:
    try:
        require_open(wish.scopes, provider=wish.provider, model=wish.model)
    except SwitchSet as off:
        return off
    return SwitchSet(reason="it was switched on again just now")


def _above_call(wish: Wish) -> BudgetExceeded:
    caps = Limit.objects.filter(scope__in=payers_of(wish.scopes, tier=wish.tier), period=Period.CALL)
    cap = caps.aggregate(least=Min("cap_microusd"))["least"]
    return BudgetExceeded(layer=ONE_CALL, needed=in_words(wish.bound_microusd), left=in_words(cap))


def short_of(windows: Iterable[Window], bound_microusd: int) -> BudgetExceeded:
    """Name the tightest window; a wait is worth while only when all of them may fit once others are settled."""
    rooms = list(windows)
    short = min(rooms, key=lambda window: window.room.left)
    may_fit = all(window.room.may_ever_fit(bound_microusd) for window in rooms)
    reason = BudgetBusy if may_fit else TierSpent if short.scope.kind == Scope.Kind.TIER else BudgetExceeded
    refusal = reason(
        layer=str(short),
        needed=in_words(bound_microusd),
        left=in_words(headroom(window.room for window in rooms)),
        resets_at=short.ends_at.isoformat() if short.ends_at else "never",
    )
    if short.scope.kind not in _OWN:
        refusal.short = Shortage(short.scope_id, bound_microusd)
    return refusal
