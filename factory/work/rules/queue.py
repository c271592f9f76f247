"""Who is next, and for how long: priorities, leases and limits of time."""

from typing import Final

START_S: Final = 60
"""A claimed task is started within this time, or goes back. Machine time. Source: R-04.11."""
WATCH_S: Final = 2
"""How often a running attempt looks whether it should end."""
JUDGE_S: Final = 3_600
"""A result nobody judged in this time is refused."""

LEAST_MICROUSD: Final = 50_000
"""An agent's task starts only where every budget above it has this much left, or the task's own limit if less."""

URGENT: Final = 10.0
CRITICAL: Final = 1e9
FLOOR: Final = 5e8
"""Critical ranks lie below all others, ranks of tasks lifted to the floor between them and the rest."""
SECONDS_BY_TYPE: Final = {
    "decompose": 300, "code": 14_400, "design": 3_600, "test": 3_600, "deploy": 3_600, "review": 1_800, "research": 1_800,
    "write": 1_800, "analyze": 1_800, "synthesize": 1_800,
}  # fmt: skip
"""How long one attempt may take. Source: R-01.18."""


def limit_s(task_type: str) -> int:
    """Return how long one attempt at a task of this type may take, in seconds. Source: R-01.18, R-04.13, R-01.6."""
    return SECONDS_BY_TYPE.get(task_type, 3_600)


DUE_H: Final = 22.0
"""How many hours before its due time a task begins to be lifted by a point or more."""


def due_boost(hours_left: float | None) -> float:
    """Return by how much a due time lifts a task: 40 when it has come, half of it every four hours before."""
    return 0.0 if hours_left is None else min(40.0, 40.0 * 2 ** (-max(0.0, hours_left) / 4))


def effective_priority(
    base: int, *, waited_min: float, behind: int, hours_left: float | None = None
) -> float:
    """Return the priority that counts now; lower goes first.

    Work below 10 always goes first: nothing with a base of 10 or more comes below 10. Source: R-04.9.

    Args:
        base: 0 to 100.
        waited_min: minutes since the task became ready.
        behind: length of the longest chain of tasks behind it.
        hours_left: until it is due; None: no due time.
    """
    lifted = base - 0.1 * waited_min - due_boost(hours_left) - min(2.0 * behind, 20.0)
    return lifted if base < URGENT else max(URGENT, lifted)


def rank(base: int, *, ready_min: float, behind: int, hours_left: float | None = None) -> float:
    """Return a number that sorts ready tasks as `effective_priority` does at any moment, lower first.

    All grow older alike, so the order does not change with time and an index can hold it. What changes it after all,
    the floor of 10 and the coming of a due time, a chore writes in: see `floor_rank`.

    Args:
        base: 0 to 100.
        ready_min: when the task became ready, in minutes since 1970.
        behind: length of the longest chain of tasks behind it.
        hours_left: until it is due, now; None: no due time.
    """
    lifted = base - min(2.0 * behind, 20.0) - due_boost(hours_left)
    if base < URGENT:
        return lifted + 0.1 * ready_min - CRITICAL
    return floor_rank(ready_min) if lifted <= URGENT else lifted + 0.1 * ready_min


def floor_rank(ready_min: float) -> float:
    """Return the rank of a task with a base of 10 or more that was lifted as far as it may: among those, age decides."""
    return 0.1 * ready_min - FLOOR


def lifted_below(now_min: float) -> float:
    """Return the rank under which, at this minute, an ordinary task has reached the floor."""
    return URGENT + 0.1 * now_min
