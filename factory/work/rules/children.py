"""What a running task may add: how many, how deep, under which names, for how much."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final

from core.registry import TaskSpec

MAX_CHILDREN: Final = 20
MAX_DEPTH: Final = 5
KEY_LENGTH: Final = 80


def child_key(parent: str, key: str) -> str:
    """Return the name in the graph of a child of the task `parent`."""
    return f"{parent}.{key}"


def may_be_childs(key: str) -> bool:
    """Say whether this could be the name of somebody's child."""
    return "." in key


def named_below(parent: str, children: Sequence[TaskSpec]) -> list[TaskSpec]:
    """Return the children under their names in the graph; they wait for each other alone."""
    return [
        replace(
            child,
            key=child_key(parent, child.key),
            after=tuple(child_key(parent, key) for key in child.after),
        )
        for child in children
    ]


def children_faults(children: Sequence[TaskSpec], *, known: Collection[str], depth: int) -> list[str]:
    """Return in words why a task may not have these children. Source: R-04.7.

    Args:
        children: under their names in the graph.
        known: names of the children it has.
        depth: how many parents the children would have.
    """
    keys = [child.key for child in children]
    faults = [f"{key} is longer than {KEY_LENGTH} characters" for key in keys if len(key) > KEY_LENGTH]
    if len(set(keys)) < len(keys):
        faults.append("two children have the same key")
    if len({*known, *keys}) > MAX_CHILDREN:
        faults.append(f"{len({*known, *keys})} children, {MAX_CHILDREN} at most")
    if depth > MAX_DEPTH:
        faults.append(f"{depth} generations, {MAX_DEPTH} at most")
    return faults


def shares(children: Sequence[TaskSpec], *, left_microusd: int) -> list[TaskSpec]:
    """Return the children with a budget each: agents' work that names none shares what is left, the parent keeps a share.

    Args:
        children: some may name a budget.
        left_microusd: what the parent may still spend.
    """
    nameless = [child for child in children if child.kind == "agent" and child.max_cost_microusd is None]
    named = sum(child.max_cost_microusd or 0 for child in children)
    share = max(0, left_microusd - named) // (len(nameless) + 1)
    return [replace(child, max_cost_microusd=share) if child in nameless else child for child in children]
