"""Groups whose members are alike: the partition that maximises the sum of (similarity - threshold) over its pairs.

Source: correlation clustering, the constant Potts model of Traag, Van Dooren & Nesterov 2011, by local moves.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .minilm import Floats

THRESHOLD: Final = 0.12
NEIGHBOURS: Final = 20
SWEEPS: Final = 30
SLACK: Final = 1e-4
BLOCK: Final = 1024

Doubles = NDArray[np.float64]


def nearest(places: Floats, *, count: int) -> NDArray[np.int64]:
    """Give the `count` most similar others of each row, nearest first: (n, count)."""
    found = []
    for start in range(0, len(places), BLOCK):
        block = places[start : start + BLOCK] @ places.T
        block[np.arange(len(block)), np.arange(start, start + len(block))] = -np.inf
        found.append(np.argsort(-block, axis=1, kind="stable")[:, :count])
    return np.concatenate(found)


def neighbours(places: Floats) -> list[list[int]]:
    """Give for each row its nearest others and those that name it among theirs."""
    count = min(NEIGHBOURS, len(places) - 1)
    both: list[set[int]] = [set() for _ in places]
    for row, near in enumerate(nearest(places, count=count)):
        for other in near.tolist():
            both[row].add(other)
            both[other].add(row)
    return [sorted(near) for near in both]


class Partition:
    """Which group each row is in, with each group's size and summed vector."""

    def __init__(self, places: Floats, labels: Sequence[int]) -> None:
        self.places = places.astype(np.float64)
        self.labels = np.array(labels, np.int64)
        self.near = neighbours(places)
        self._sum_up()

    def _sum_up(self) -> None:
        """Number the groups by their first row and sum anew, so that no rounding piles up."""
        _, first, inverse = np.unique(self.labels, return_index=True, return_inverse=True)
        rank = np.argsort(np.argsort(first))
        self.labels = rank[inverse]
        self.sums: Doubles = np.zeros_like(self.places)
        np.add.at(self.sums, self.labels, self.places)
        self.sizes = np.bincount(self.labels, minlength=len(self.labels))
        self.empty = np.flatnonzero(self.sizes == 0).tolist()

    def settle(self) -> NDArray[np.int64]:
        """Move rows and merge groups until nothing is gained; give the label of each row."""
        for _ in range(SWEEPS):
            moved = self.move_rows()
            self._sum_up()
            merged = self.merge_groups()
            self._sum_up()
            if not moved and not merged:
                break
        return self.labels

    def move_rows(self) -> bool:
        """Move each row, in order, where it gains most; tell whether any moved."""
        moved = False
        for row, place in enumerate(self.places):
            own = int(self.labels[row])
            self.sums[own] -= place
            self.sizes[own] -= 1
            best = self._best_group(row, place, own)
            self.sums[best] += place
            self.sizes[best] += 1
            self.labels[row] = best
            if best != own and self.sizes[own] == 0:
                self.sums[own] = 0
                self.empty.append(own)
            moved = moved or best != own
        return moved

    def _best_group(self, row: int, place: Doubles, own: int) -> int:
        """Give the group that gains most from `row`: its own on a tie, an empty one if all would lose."""
        others = sorted({int(self.labels[near]) for near in self.near[row]} - {own})
        groups = np.array([own, *others])
        gains = self.sums[groups] @ place - THRESHOLD * self.sizes[groups]
        best = int(np.argmax(gains))
        if gains[best] <= gains[0] + SLACK:
            best = 0
        return self.empty.pop() if gains[best] < -SLACK else int(groups[best])

    def merge_groups(self) -> bool:
        """Merge pairs of groups that gain together, the best pair first; tell whether any merged."""
        count = int(self.labels.max()) + 1
        sums, sizes = self.sums[:count].copy(), self.sizes[:count].astype(np.float64)
        gains = sums @ sums.T - THRESHOLD * np.outer(sizes, sizes)
        np.fill_diagonal(gains, -np.inf)
        names = np.arange(count)
        merged = False
        while count > 1 and gains.max() > SLACK:
            keep, gone = sorted(int(index) for index in np.unravel_index(int(np.argmax(gains)), gains.shape))
            names[names == gone] = keep
            sums[keep] += sums[gone]
            sizes[keep] += sizes[gone]
            gains[gone, :] = gains[:, gone] = -np.inf
            open_rows = np.isfinite(gains[keep])
            row = np.where(open_rows, sums @ sums[keep] - THRESHOLD * sizes * sizes[keep], -np.inf)
            gains[keep, :] = gains[:, keep] = row
            merged = True
        self.labels = names[self.labels]
        return merged


def group(places: Floats, *, start: Sequence[int] | None = None) -> NDArray[np.int64]:
    """Give the group of each row, numbered by first row.

    Args:
        places: rows in canonical order; their dot products are similarities.
        start: the groups to begin from; without it each row begins alone.
    """
    if len(places) < 2:
        return np.zeros(len(places), np.int64)
    return Partition(places, range(len(places)) if start is None else start).settle()
