"""State tables: which changes are allowed."""

from collections.abc import Mapping, Set

from core.errors import IllegalMove

Moves = Mapping[str, Set[str]]
"""From each state, the states it may change to; a final state leads nowhere."""


def check_move(moves: Moves, *, old: str, new: str) -> None:
    """Allow the change from `old` to `new`, or refuse it.

    Raises:
        IllegalMove: the table has no such change.
    """
    if new not in moves.get(old, frozenset()):
        raise IllegalMove(
            old=old, new=new, allowed=", ".join(sorted(moves.get(old, ()))) or "nothing, it is final"
        )


def sources(moves: Moves, *, new: str) -> frozenset[str]:
    """Return every state from which `new` may be reached."""
    return frozenset(old for old, allowed in moves.items() if new in allowed)
