"""What a graph of tasks is made of, and what makes one wrong."""

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from graphlib import CycleError, TopologicalSorter
from typing import Final

from core.registry import TaskSpec

MAX_TASKS: Final = 200
OWN_VALIDATORS: Final = frozenset({"none", "schema"})
MUST_BE_JUDGED: Final = frozenset({"code", "deploy", "decompose"})
"""Types of agents' work that nobody accepts unseen. Source: R-04.15."""

Edges = Mapping[str, AbstractSet[str]]
"""From each task's key, the keys of the tasks it waits for."""


def edges_of(specs: Sequence[TaskSpec]) -> dict[str, frozenset[str]]:
    """Return who waits for whom."""
    return {spec.key: frozenset(spec.after) for spec in specs}


def find_cycle(edges: Edges) -> list[str]:
    """Return the keys of one circle in walking order, each waiting for the next; empty when there is none."""
    try:
        TopologicalSorter({key: sorted(edges[key]) for key in sorted(edges)}).prepare()
    except CycleError as error:
        walk: list[str] = error.args[1]
        return walk[:0:-1]
    return []


def paths_behind(edges: Edges) -> dict[str, int]:
    """Return for each task how long the longest chain of tasks behind it is; `edges` hold no circle."""
    behind = dict.fromkeys(edges, 0)
    for key in reversed(tuple(TopologicalSorter(edges).static_order())):
        for earlier in edges[key]:
            behind[earlier] = max(behind[earlier], behind[key] + 1)
    return behind


def graph_faults(specs: Sequence[TaskSpec], *, known: Collection[str] = ()) -> list[str]:
    """Return in words what is wrong with the tasks as a whole and with each; circles are found apart.

    Args:
        specs: tasks to be made.
        known: keys of tasks that are in the graph already.
    """
    keys, size = {*known, *(spec.key for spec in specs)}, len(known) + len(specs)
    faults = [] if specs and size <= MAX_TASKS else [f"{size} tasks; 1 to {MAX_TASKS} are possible"]
    if len(keys) < size:
        faults.append("two tasks have the same key")
    return faults + [fault for spec in specs for fault in task_faults(spec, keys=keys)]


def task_faults(spec: TaskSpec, *, keys: AbstractSet[str]) -> list[str]:
    """Return in words what is wrong with `spec` among tasks of these keys."""
    is_agents = spec.kind == "agent"
    wrong = {
        f"waits for {', '.join(sorted(set(spec.after) - keys))}, which is not in the graph": set(spec.after)
        - keys,
        "names no agent": is_agents and not spec.agent,
        f"is {spec.type} and needs a validator": is_agents
        and spec.type in MUST_BE_JUDGED
        and spec.validator == "none",
        "has the validator schema and no answer schema": spec.validator == "schema"
        and spec.answer_schema is None,
        "has a cost limit below zero": (spec.max_cost_microusd or 0) < 0,
        "has a priority outside 0 to 100": not 0 <= spec.priority <= 100,
    }
    return [f"{spec.key} {words}" for words, is_wrong in wrong.items() if is_wrong]
