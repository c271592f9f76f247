"""The life of an objective, and how much may begin unasked."""

from collections.abc import Iterable
from types import MappingProxyType
from typing import Final, Literal

from core.registry import TaskSpec
from core.states import Moves

MOST_BYTES: Final = 32_768

FINAL: Final = frozenset({"done", "rejected", "failed", "cancelled"})
MOVES: Final[Moves] = MappingProxyType(
    {
        "received": frozenset({"planning", "awaiting_approval", "rejected", "cancelled"}),
        "planning": frozenset({"awaiting_approval", "running", "rejected", "failed", "cancelled"}),
        "awaiting_approval": frozenset({"planning", "running", "rejected", "failed", "cancelled"}),
        "running": frozenset({"done", "failed", "cancelled"}),
    }
    | {state: frozenset[str]() for state in FINAL}
)
"""Source: R-01.2."""

Start = Literal["start", "tell", "ask"]


def start_rule(budget_microusd: int, *, free_microusd: int, told_microusd: int) -> Start:
    """Return how work of this budget begins: at once, at once and told, or after the owner's yes. Source: R-01.5."""
    if budget_microusd <= free_microusd:
        return "start"
    return "tell" if budget_microusd <= told_microusd else "ask"


def budget_of(tasks: Iterable[TaskSpec], *, task_cap_microusd: int) -> int:
    """Return what agents may spend on these tasks at most, in micro-dollars; platform code costs nothing.

    `task_cap_microusd` is what a task may spend that does not say so itself.
    """
    caps = (task.max_cost_microusd for task in tasks if task.kind == "agent")
    return sum(task_cap_microusd if cap is None else cap for cap in caps)
