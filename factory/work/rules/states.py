"""The states of a task, and the only changes between them."""

from types import MappingProxyType
from typing import Final

from core.states import Moves

FINAL: Final = frozenset({"completed", "cancelled"})
LEASED: Final = frozenset({"claimed", "running"})

_FORWARD = {
    "created": {"pending", "ready"},
    "pending": {"ready"},
    "ready": {"claimed", "failed"},
    "claimed": {"running", "ready", "failed"},
    "running": {"waiting", "validating", "failed"},
    "waiting": {"ready", "failed"},
    "validating": {"completed", "failed"},
    "failed": {"retrying", "dead_letter"},
    "retrying": {"ready"},
    "dead_letter": {"ready"},
}
MOVES: Final[Moves] = MappingProxyType(
    {state: frozenset(new | {"cancelled"}) for state, new in _FORWARD.items()}
    | {state: frozenset[str]() for state in FINAL}
)
"""Source: R-04.1."""


def graph_state(states: list[str], *, is_blocked: bool, has_failed: bool = False) -> str:
    """Return where a graph stands.

    Args:
        states: those of all its tasks.
        is_blocked: a task waits behind one that was cancelled.
        has_failed: something was given up, and none of the tasks that nobody waits for was completed.

    Source: R-04.4, R-04.5, R-04.25.
    """
    seen = frozenset(states)
    if seen <= {"cancelled"}:
        return "cancelled"
    if seen <= FINAL:
        return "failed" if has_failed else "completed"
    if "dead_letter" in seen or is_blocked:
        return "stalled"
    return "pending" if seen <= {"created", "pending", "ready"} else "running"
