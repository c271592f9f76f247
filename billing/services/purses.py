"""What is left of every limit that somebody's calls count in; reading opens no window."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from billing.models import Limit, Window
from billing.services.scopes import payers_of


@dataclass(frozen=True)
class Purse:
    """One limit in the period that runs.

    Attributes:
        whose: in words.
        ends_at: business time at which it is full again; None: never, or a limit of each single call.
    """

    scope: UUID
    whose: str
    period: str
    cap_microusd: int
    spent_microusd: int = 0
    held_microusd: int = 0
    ends_at: datetime | None = None

    @property
    def left_microusd(self) -> int:
        """What a new call may still be held at."""
        return max(0, self.cap_microusd - self.spent_microusd - self.held_microusd)


def purses_of(scopes: Iterable[UUID], *, moment: datetime) -> list[Purse]:
    """Return every limit that a call of `scopes` counts in at business time `moment`, the one with least left first."""
    payers = payers_of(scopes)
    windows = {(one.scope_id, one.period): one for one in Window.objects.at(moment).filter(scope__in=payers)}
    limits = Limit.objects.filter(scope__in=payers).select_related("scope")
    found = [_purse(limit, windows.get((limit.scope_id, limit.period)), moment=moment) for limit in limits]
    return sorted(found, key=lambda purse: (purse.left_microusd, purse.whose, purse.period))


def _purse(limit: Limit, window: Window | None, *, moment: datetime) -> Purse:
    if window is None:
        return Purse(limit.scope_id, str(limit.scope), limit.period, limit.cap_at(moment))
    return Purse(
        scope=limit.scope_id,
        whose=str(limit.scope),
        period=limit.period,
        cap_microusd=window.cap_microusd,
        spent_microusd=window.spent_microusd,
        held_microusd=window.held_microusd,
        ends_at=window.ends_at,
    )
