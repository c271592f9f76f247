"""Where the marks of a plot with bars stand: once wide for a desk, once narrow for a phone."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Final

from core.money import MICROUSD_PER_USD

LEFT, RIGHT, TOP, FOOT = 44.0, 10.0, 27.0, 24.0
SIZES: Final = {"wide": (756.0, 250.0), "narrow": (358.0, 200.0)}
MOST_LINES: Final = 4
REACH_OF_LIMIT: Final = 4
"""A limit further above the highest bar than this would press all bars flat: it is left out."""


@dataclass(frozen=True)
class PlotBar:
    """One bar, and the text below it; most have none."""

    x: float
    y: float
    width: float
    height: float
    middle: float
    label: str
    is_last: bool


@dataclass(frozen=True)
class Line:
    """One level across the plot."""

    y: float
    words: str


@dataclass(frozen=True)
class Plot:
    """One drawing."""

    name: str
    width: float
    height: float
    foot: float
    left: float
    right: float
    bars: tuple[PlotBar, ...]
    lines: tuple[Line, ...]
    limit: Line | None


def nice_step(highest: float, *, at_most: int = MOST_LINES) -> float:
    """Return the least of 1, 2, 3, 5 times a power of ten of which at most so many reach `highest`."""
    if highest <= 0:
        return 1.0
    power = 10.0 ** floor(log10(highest / at_most))
    return next(step * power for step in (1, 2, 3, 5, 10) if ceil(highest / (step * power)) <= at_most)


def plot_bars(
    amounts: Sequence[int], *, labels: Sequence[str], size: str, limit: int | None = None, words: str = ""
) -> Plot:
    """Return the drawing of these micro-dollars, the last one being now; a far limit is left out."""
    width, height = SIZES[size]
    top = max((*amounts, 1))
    shown = limit if limit and limit <= REACH_OF_LIMIT * top else None
    step = nice_step(max(top, shown or 0) / MICROUSD_PER_USD) * MICROUSD_PER_USD
    reach = step * ceil(max(top, shown or 0) / step)
    foot, right = height - FOOT, width - RIGHT

    def y_of(amount: float) -> float:
        return round(foot - (foot - TOP) * amount / reach, 1)

    room = (right - LEFT) / max(1, len(amounts))
    bars = tuple(
        PlotBar(
            x=round(LEFT + 2 + index * room, 1), y=y_of(amount), width=round(max(1.0, room - 4), 1),
            height=round(foot - y_of(amount), 1), middle=round(LEFT + (index + 0.5) * room, 1), label=label,
            is_last=index == len(amounts) - 1,
        )
        for index, (amount, label) in enumerate(zip(amounts, labels, strict=True))
    )  # fmt: skip
    levels = [step * index for index in range(round(reach / step) + 1)]
    return Plot(
        name=size, width=width, height=height, foot=foot, left=LEFT, right=right, bars=bars,
        lines=tuple(Line(y_of(level), _in_dollars(level)) for level in levels),
        limit=Line(y_of(shown), words) if shown else None,
    )  # fmt: skip


def _in_dollars(microusd: float) -> str:
    usd = microusd / MICROUSD_PER_USD
    return f"${usd:,.0f}" if usd == round(usd) else f"${usd:,.2f}"


@dataclass(frozen=True)
class Share:
    """One part of a bar of width 100."""

    name: str
    x: float
    width: float


def share_marks(shares: Sequence[tuple[str, float]]) -> tuple[Share, ...]:
    """Return where each of these shares (0 to 1) stands on a bar of width 100, one after the other."""
    marks, x = [], 0.0
    for name, share in shares:
        marks.append(Share(name, round(x, 1), round(100 * share, 1)))
        x += 100 * share
    return tuple(marks)
