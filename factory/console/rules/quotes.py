"""How a quote is drawn and told."""

from dataclasses import dataclass
from typing import Final

from factory.pipeline.rules.quote import Range, days_at

STOP_AT: Final = 87.5
"""Where the stop stands on a line of 100."""


@dataclass(frozen=True)
class Marks:
    """The range on a line of 100: where it begins and how wide it is."""

    x: float
    width: float
    stop: float = STOP_AT


def marks_of(*, low: int, high: int, stop: int) -> Marks:
    """Return where a range stands before its stop; never so thin that it cannot be seen."""
    share = STOP_AT / stop if stop > 0 else 0.0
    return Marks(round(low * share, 2), max(0.8, round((high - low) * share, 2)))


def days_in_words(day_cap_microusd: int, cost: Range) -> str:
    """Return how many days the money of a build takes at this limit a day, in words."""
    days = days_at(day_cap_microusd, cost)
    if days is None:
        return "not known yet" if day_cap_microusd > 0 else "never: nothing may be spent"
    low, high = days
    return f"{low} to {high} days" if low != high else f"{low} day{'s' if low > 1 else ''}"
