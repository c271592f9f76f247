"""How far a piece of work is: what is still to come, and the longest way through it."""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from graphlib import TopologicalSorter
from typing import TypeVar

Key = TypeVar("Key")
Sort = TypeVar("Sort")


def critical_path(edges: Mapping[Key, AbstractSet[Key]]) -> list[Key]:
    """Return the longest chain of tasks that wait for each other, first to last. Source: R-01.21.

    Args:
        edges: from each open task, the open tasks it waits for; no circle.
    """
    length: dict[Key, int] = {}
    before: dict[Key, Key] = {}
    for key in TopologicalSorter(edges).static_order():
        earlier = max(edges.get(key, frozenset()), key=lambda one: length[one], default=None)
        length[key] = 1 if earlier is None else length[earlier] + 1
        if earlier is not None:
            before[key] = earlier
    path = [max(length, key=lambda one: length[one])] if length else []
    while path and path[0] in before:
        path.insert(0, before[path[0]])
    return path


def remaining_cost(open_sorts: Iterable[Sort], *, usual: Mapping[Sort, float]) -> tuple[int | None, int]:
    """Return what open tasks will cost if they cost what their sort usually does, and of how many nothing is known.

    None: of none is anything known, though there are some.
    """
    sorts = list(open_sorts)
    known = [usual[sort] for sort in sorts if sort in usual]
    return (None if sorts and not known else round(sum(known))), len(sorts) - len(known)
