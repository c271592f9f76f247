"""Where the nodes and edges of a drawn graph stand: columns by what needs what, rows so that edges are short."""

import textwrap
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)

MOST_NODES: Final = 24
"""Above so many only the list helps."""
MOST_COLUMNS, LEAST_COLUMNS = 6, 4
"""Fewer columns stand further apart, but not further than four do."""
NODE_WIDTH, NODE_HEIGHT = 170, 96
GAP_Y: Final = 28
WIDTH: Final = 1200
LINE_LETTERS, MOST_LINES = 19, 3
_EDGE: Final = 3


@dataclass(frozen=True)
class Spot(Generic[Key]):
    """The upper left corner of a node's box, in pixels of the drawing."""

    key: Key
    x: int
    y: int

    @property
    def middle(self) -> int:
        """The height at which edges touch it."""
        return self.y + NODE_HEIGHT // 2


@dataclass(frozen=True)
class Layout(Generic[Key]):
    """A drawn graph: spots in the order of the nodes, edges as paths with the nodes they join."""

    height: int
    spots: tuple[Spot[Key], ...]
    edges: tuple[tuple[Key, Key, str], ...]


def draw_graph(needs: Mapping[Key, Sequence[Key]]) -> Layout[Key] | None:
    """Return where each node stands, `needs` naming what each one waits for, nodes in an order they can run in.

    None: too many nodes or too long a chain to be read; an edge that skips a column runs between two rows.
    """
    columns = columns_of(needs)
    if not 0 < len(needs) <= MOST_NODES or len(columns) > MOST_COLUMNS:
        return None
    rows = max(len(column) for column in columns)
    pitch = NODE_HEIGHT + GAP_Y
    step = (WIDTH - NODE_WIDTH - 2 * _EDGE) // (max(LEAST_COLUMNS, len(columns)) - 1)
    spots = {
        key: Spot(key, _EDGE + step * c, 2 + pitch * r + (rows - len(column)) * pitch // 2)
        for c, column in enumerate(columns)
        for r, key in enumerate(column)
    }
    edges = tuple(
        (before, key, _path(spots[before], spots[key], step=step)) for key in needs for before in needs[key]
    )
    return Layout(rows * pitch - GAP_Y + 4, tuple(spots[key] for key in needs), edges)


def columns_of(needs: Mapping[Key, Sequence[Key]]) -> list[list[Key]]:
    """Return the nodes by the longest chain before them, each column sorted by where its needs stand."""
    depth: dict[Key, int] = {}
    for key, before in needs.items():
        depth[key] = 1 + max((depth[one] for one in before), default=-1)
    columns: list[list[Key]] = [[] for _ in range(max(depth.values(), default=-1) + 1)]
    place: dict[Key, float] = {}
    for index, column in enumerate(columns):
        column.extend(key for key in needs if depth[key] == index)
        column.sort(key=lambda key: _mean([place[one] for one in needs[key]]))
        place |= {key: row - (len(column) - 1) / 2 for row, key in enumerate(column)}
    return columns


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _path(start: Spot[Key], end: Spot[Key], *, step: int) -> str:
    """A short edge is one curve; a long one runs level in the gap above or below the row of its end."""
    x, y, to_x, to_y = start.x + NODE_WIDTH, start.middle, end.x, end.middle
    if end.x - start.x == step:
        return _curve(x, y, to_x=to_x, to_y=to_y)
    lane = max(1, end.y - GAP_Y // 2) if end.y > 2 else end.y + NODE_HEIGHT + GAP_Y // 2
    gap = step - NODE_WIDTH
    return (
        f"{_curve(x, y, to_x=x + gap, to_y=lane)}H{to_x - gap}{_bend(to_x - gap, lane, to_x=to_x, to_y=to_y)}"
    )


def _curve(x: int, y: int, *, to_x: int, to_y: int) -> str:
    return f"M{x} {y}{_bend(x, y, to_x=to_x, to_y=to_y)}"


def _bend(x: int, y: int, *, to_x: int, to_y: int) -> str:
    middle = (x + to_x) // 2
    return f"C{middle} {y} {middle} {to_y} {to_x} {to_y}"


def lines_of(title: str) -> list[str]:
    """Return a title in at most three lines of 19 letters; what is left over becomes an ellipsis."""
    return textwrap.wrap(title, LINE_LETTERS, max_lines=MOST_LINES, placeholder="…", break_long_words=True)
