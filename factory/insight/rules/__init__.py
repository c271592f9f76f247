"""Arithmetic of money over days and shares."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)

BAR_DAYS = 14
SHARED = "shared"


@dataclass(frozen=True)
class PnlRow:
    """What one kind of money added to profit on one UTC day; costs are negative."""

    day: date
    kind: str
    amount_microusd: int


@dataclass(frozen=True)
class Waits:
    """How long things waited, in seconds; None: nothing did."""

    p50_s: float | None
    p95_s: float | None
    p99_s: float | None


def waits_of(seconds: Sequence[float]) -> Waits:
    """Return the percentiles by nearest rank: the least wait that so many did not pass."""
    ordered = sorted(seconds)
    if not ordered:
        return Waits(None, None, None)
    return Waits(*(ordered[ceil(len(ordered) * share) - 1] for share in (0.5, 0.95, 0.99)))


def days_back(last: date, *, count: int = BAR_DAYS) -> tuple[date, ...]:
    """Return `count` days that end with `last`, oldest first."""
    return tuple(last - timedelta(days=count - 1 - index) for index in range(count))


def amounts_by_day(by_day: Mapping[date, int], *, last: date, count: int = BAR_DAYS) -> tuple[int, ...]:
    """Return one amount for each day that ends with `last`; a day without a row is 0."""
    return tuple(by_day.get(day, 0) for day in days_back(last, count=count))


def pnl_rows(amounts: Iterable[tuple[date, str, int]]) -> tuple[PnlRow, ...]:
    """Return the sums by day and kind, in that order; what adds up to nothing is left out. Source: R-18.12."""
    sums: dict[tuple[date, str], int] = defaultdict(int)
    for day, kind, amount in amounts:
        sums[day, kind] += amount
    return tuple(PnlRow(day, kind, amount) for (day, kind), amount in sorted(sums.items()) if amount)


def split_shared(shared_microusd: int, *, direct: Mapping[Key, int]) -> dict[Key, int]:
    """Split a shared cost by share of direct cost, or equally when nobody had any; the sum is exact.

    What rounding leaves goes to the largest share, the first of equal ones. Source: R-18.12, R-08.7.
    """
    if not direct:
        return {}
    weights = {key: max(0, cost) for key, cost in direct.items()}
    if not any(weights.values()):
        weights = dict.fromkeys(direct, 1)
    total = sum(weights.values())
    parts = {key: shared_microusd * weight // total for key, weight in weights.items()}
    largest = max(weights, key=lambda key: weights[key])
    parts[largest] += shared_microusd - sum(parts.values())
    return parts
