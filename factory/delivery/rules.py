"""What a release may become, and when a live one has to go back."""

from collections.abc import Sequence

from core.states import Moves

MOVES: Moves = {
    "asked": {"approved", "refused"},
    "approved": {"trying", "refused"},
    "trying": {"switching", "refused"},
    "switching": {"live", "refused"},
    "live": {"standby", "rolled_back", "retired"},
    "standby": {"live", "retired"},
    "refused": set(),
    "rolled_back": set(),
    "retired": {"live"},
}
RED_PROBES = 2
"""So many failed probes in a row take a live release back."""
TRUSTED_AFTER_S = 1_800
"""Business time with green probes until the release before it is let go. Source: R-10.17."""


def version_after(versions: Sequence[int]) -> int:
    """Return the number of a product's next release."""
    return max(versions, default=0) + 1
