"""Where the marks of a profit-and-loss plot stand: what came in, what went out, and the running total."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil, floor, log10
from typing import Final

from core.money import MICROUSD_PER_USD

MOST_BARS: Final = 12
SIZES: Final = {"wide": (756, 250, 50, 84), "narrow": (358, 230, 50, 70)}
"""Width, height, room on the left for amounts, room on the right for the total."""
TOP, FOOT = 16, 26


@dataclass(frozen=True)
class Sum:
    """What one span of days brought and cost, in micro-dollars, both from 0 up."""

    last_day: date
    came: int
    went: int


@dataclass(frozen=True)
class Mark:
    """One upright box."""

    kind: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class PnlPlot:
    """One drawing; `levels` are lines with their words, `days` words below, `total` the running line."""

    name: str
    width: int
    height: int
    left: int
    right: int
    marks: tuple[Mark, ...]
    levels: tuple[tuple[float, str], ...]
    days: tuple[tuple[float, str], ...]
    total: str
    end: tuple[float, float]


def by_span(rows: Iterable[tuple[date, int]], *, until: date) -> tuple[Sum, ...]:
    """Return sums of at most 12 spans of equal length that end with `until`; amounts above 0 came in."""
    rows = list(rows)
    if not rows:
        return ()
    first = min(day for day, _ in rows)
    until = max(until, max(day for day, _ in rows))
    length = ceil(((until - first).days + 1) / MOST_BARS)
    count = ceil(((until - first).days + 1) / length)
    came, went = [0] * count, [0] * count
    for day, amount in rows:
        index = count - 1 - (until - day).days // length
        came[index] += max(0, amount)
        went[index] += max(0, -amount)
    ends = [until - timedelta(days=length * (count - 1 - index)) for index in range(count)]
    return tuple(Sum(*row) for row in zip(ends, came, went, strict=True))


def pnl_plot(sums: Sequence[Sum], *, size: str) -> PnlPlot:
    """Return the drawing of these sums."""
    width, height, left, spare = SIZES[size]
    right, totals, total = width - spare, [], 0
    for one in sums:
        total += one.came - one.went
        totals.append(total)
    high = max([0, *totals, *(one.came for one in sums)])
    low = min([0, *totals, *(-one.went for one in sums)])
    step = _step(high - low)
    levels = [step * n for n in range(floor(low / step), ceil(high / step) + 1)]
    reach = (levels[-1] - levels[0]) or step

    def y_of(amount: float) -> float:
        return round(TOP + (height - TOP - FOOT) * (levels[-1] - amount) / reach, 1)

    room = (right - left) / max(1, len(sums))
    bar = min(16.0, round(room / 2 - 3, 1))
    middles = [round(left + room * (index + 0.5), 1) for index in range(len(sums))]
    marks = [
        mark
        for x, one in zip(middles, sums, strict=True)
        for mark in (
            Mark("out", round(x - bar, 1), y_of(0), bar, round(y_of(-one.went) - y_of(0), 1)),
            Mark("in", round(x + 1, 1), y_of(one.came), bar, round(y_of(0) - y_of(one.came), 1)),
        )
        if mark.height > 0
    ]
    every = ceil(len(sums) / (6 if size == "wide" else 3))
    points = [f"{x} {y_of(one)}" for x, one in zip(middles, totals, strict=True)]
    shown = [index for index in range(len(sums)) if (len(sums) - 1 - index) % every == 0]
    return PnlPlot(
        name=size, width=width, height=height, left=left, right=right, marks=tuple(marks),
        levels=tuple((y_of(level), _dollars(level)) for level in levels),
        days=tuple((middles[index], f"{sums[index].last_day.day} {sums[index].last_day:%b}") for index in shown),
        total=f"M{'L'.join(points)}", end=(middles[-1], y_of(totals[-1])),
    )  # fmt: skip


def _step(reach: int) -> float:
    """The least of 1, 2, 5 times a power of ten of which at most four reach across, in micro-dollars."""
    least = max(reach, 1) / 4
    power = 10.0 ** floor(log10(least))
    return next(power * n for n in (1, 2, 5, 10) if power * n >= least)


def _dollars(microusd: float) -> str:
    usd = abs(microusd) / MICROUSD_PER_USD
    return (
        f"{'−' if microusd < 0 else ''}${usd:,.2f}"
        if usd % 1
        else f"{'−' if microusd < 0 else ''}${usd:,.0f}"
    )
