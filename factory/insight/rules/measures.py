"""What is measured for a monitor: families of samples, bounded in number. Source: R-08.11."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

MOST_SERIES: Final = 5_000
OTHER: Final = "other"
LABELS: Final = ("agent", "model", "provider", "product", "state")

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Sample:
    """One series: its labels in order, its value; of a histogram the sum, and how many were within each bound."""

    labels: Labels
    value: float
    within: tuple[tuple[float, int], ...] = ()
    count: int = 0

    @property
    def series(self) -> int:
        """How many lines it takes."""
        return len(self.within) + 3 if self.within else 1


@dataclass(frozen=True)
class Family:
    """Samples of one name; `merges` says what becomes of those that are too many: their sum or the largest."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    words: str
    samples: tuple[Sample, ...]
    merges: Literal["sum", "max"] = "sum"

    @property
    def series(self) -> int:
        """How many lines it takes."""
        return sum(sample.series for sample in self.samples)


def labels_of(**named: str) -> Labels:
    """Return labels in the one order, without those that say nothing."""
    return tuple((name, named[name]) for name in LABELS if named.get(name))


def bounded(families: Sequence[Family], *, most: int = MOST_SERIES) -> tuple[Family, ...]:
    """Return the families with at most this many series in all: the largest families give, their smallest samples first.

    What is left out of a family stands in one sample whose labels all say `other`.
    """
    room = _room([one.series for one in families], most=most)
    return tuple(one if one.series <= room else _merged(one, room=room) for one in families)


def _room(sizes: Iterable[int], *, most: int) -> int:
    """Return the largest size that every family may have, so that together they are within `most`."""
    waiting = sorted(sizes)
    left = most
    while waiting and waiting[0] * len(waiting) <= left:
        left -= waiting.pop(0)
    return left // len(waiting) if waiting else most


def _merged(family: Family, *, room: int) -> Family:
    size = max(sample.series for sample in family.samples)
    ordered = sorted(family.samples, key=lambda sample: -sample.value)
    kept = ordered[: max(0, room // size - 1)]
    rest = ordered[len(kept) :]
    groups: defaultdict[Labels, list[Sample]] = defaultdict(list)
    for sample in rest:
        groups[tuple((name, OTHER) for name, _ in ordered[0].labels)].append(sample)
    add: Callable[[Iterable[float]], float] = sum if family.merges == "sum" else max
    others = [
        Sample(labels, add([one.value for one in group]), _added(group), sum(one.count for one in group))
        for labels, group in groups.items()
    ]
    return replace(family, samples=(*kept, *others))


def _added(samples: Sequence[Sample]) -> tuple[tuple[float, int], ...]:
    bounds = [bound for bound, _ in samples[0].within]
    return tuple((bound, sum(one.within[place][1] for one in samples)) for place, bound in enumerate(bounds))
