"""The time axis of a trace: work at its true length, and what nobody worked in drawn short."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

WIDTH: Final = 1_000.0
LEAST: Final = 2.0
"""A bar is never narrower, so that the shortest call is seen."""
PAUSE_SHARE: Final = 0.02
"""A pause is drawn at most so wide as this share of all work."""

Stretch = tuple[datetime, datetime]


@dataclass(frozen=True)
class Bar:
    """Where something stands on an axis of 1,000."""

    x: float
    width: float


@dataclass(frozen=True)
class Axis:
    """From moments to places: `starts` in seconds since the first, `places` where each begins, `scales` what a second is wide."""

    began: datetime
    starts: tuple[float, ...]
    places: tuple[float, ...]
    scales: tuple[float, ...]

    def bar(self, start: datetime | None, end: datetime | None, *, now: datetime) -> Bar | None:
        """Return where this stands; without an end it goes on until `now`; None: it never began."""
        if start is None:
            return None
        x = min(self._place(start), WIDTH - LEAST)
        return Bar(round(x, 1), round(max(LEAST, self._place(end or now) - x), 1))

    def _place(self, moment: datetime) -> float:
        at = max(0.0, (moment - self.began).total_seconds())
        index = max(0, bisect_right(self.starts, at) - 1)
        return min(WIDTH, self.places[index] + (at - self.starts[index]) * self.scales[index])


def axis_of(stretches: Iterable[Stretch]) -> Axis | None:
    """Return the axis on which these stretches of work stand; None: there are none."""
    busy = _merged(stretches)
    if not busy:
        return None
    began = busy[0][0]
    work = sum((end - start).total_seconds() for start, end in busy) or 1.0
    most = PAUSE_SHARE * work
    starts, widths, last = [], [], began
    for start, end in busy:
        pause = (start - last).total_seconds()
        if pause > 0:
            starts.append((last - began).total_seconds())
            widths.append((pause, min(pause, most)))
        starts.append((start - began).total_seconds())
        length = (end - start).total_seconds()
        widths.append((length, length))
        last = end
    unit = WIDTH / (sum(drawn for _, drawn in widths) or 1.0)
    places = [0.0]
    for _, drawn in widths[:-1]:
        places.append(places[-1] + drawn * unit)
    scales = tuple(drawn * unit / real if real else 0.0 for real, drawn in widths)
    return Axis(began, tuple(starts), tuple(places), scales)


def _merged(stretches: Iterable[Stretch]) -> list[Stretch]:
    merged: list[Stretch] = []
    for start, end in sorted(stretches):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, max(start, end)))
    return merged
