"""What a release may become, when a live one is red, and how that is said."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final

from core.states import Moves

MOVES: Final[Moves] = {
    "asked": {"approved", "refused"},
    "approved": {"trying", "refused"},
    "trying": {"switching", "approved", "refused"},
    "switching": {"live", "refused"},
    "live": {"standby", "rolled_back", "retired"},
    "standby": {"live", "retired"},
    "refused": set(),
    "rolled_back": set(),
    "retired": {"live"},
}
COMING: Final = frozenset({"trying", "switching"})
"""On its way, and run beside what users meet."""
RUNS: Final = COMING | {"live", "standby"}
"""What the edge has to run."""
WAS_LIVE: Final = frozenset({"live", "standby", "rolled_back", "retired"})

RED_PROBES: Final = 2
"""So many failed probes in a row take a live release back."""
MAX_CRASHES: Final = 2
"""A release that is not trusted yet and ended so often by itself is red, though it was started again."""
TRUSTED_AFTER: Final = timedelta(minutes=30)
"""Business time with green probes until the release before it is let go. Source: R-06.17."""


def version_after(versions: Sequence[int]) -> int:
    """Return the number of a product's next release."""
    return max(versions, default=0) + 1


def is_red(*, ok: bool, was_ready: bool, is_late: bool, crashes: int, is_trusted: bool) -> bool:
    """Say whether a probe speaks against a live release.

    "No answer yet" does not: a release that was just started, with its host or after a crash, is given its time.

    Args:
        ok: it proved itself.
        was_ready: it had proved itself since its last start.
        is_late: it had time enough to prove itself.
        crashes: how often it ended by itself.
        is_trusted: it served long enough; the release before it is gone.
    """
    return not ok and (was_ready or is_late or (not is_trusted and crashes >= MAX_CRASHES))


def is_trusted_after(age: timedelta) -> bool:
    """Say whether a release that was green for so long, in business time, no longer needs the one before it."""
    return age >= TRUSTED_AFTER


def next_ports(ports: Iterable[int], *, taken: frozenset[int]) -> tuple[int, int] | None:
    """Return the first two of `ports` that are not taken: one for users, one for previews; None: there are none."""
    first, second = ([port for port in ports if port not in taken] + [0, 0])[:2]
    return (first, second) if second else None


def broken_words(*, method: str, path: str, expected: int, seen: int) -> str:
    """Say which request broke a promise, without the promise's texts; `seen` 0: no answer came."""
    if seen == expected:
        return f"{method} {path} answered {seen}, but not what was promised"
    return f"{method} {path} answered {seen or 'nothing'} instead of {expected}"
