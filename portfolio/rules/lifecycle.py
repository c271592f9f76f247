"""Which changes of an opportunity, a product's stage and its life are allowed."""

from typing import Final

from core.states import Moves

# A scan may judge anew what nobody has begun to test. An owner's own idea is tested without a score; what a test
# leaves unclear, the owner decides.
OPPORTUNITY_MOVES: Final[Moves] = {
    "found": frozenset({"thin", "excluded", "duplicate", "scored", "validating"}),
    "thin": frozenset({"excluded", "duplicate", "scored"}),
    "excluded": frozenset({"thin", "duplicate", "scored"}),
    "duplicate": frozenset({"thin", "excluded", "scored"}),
    "scored": frozenset({"thin", "excluded", "duplicate", "validating"}),
    "validating": frozenset({"passed", "failed", "approved", "declined"}),
    "passed": frozenset({"approved", "declined"}),
    "failed": frozenset(),
    "approved": frozenset(),
    "declined": frozenset(),
}
JUDGED_BY_SCANS: Final = frozenset({"found", "thin", "excluded", "duplicate", "scored"})

# From build on a product may go back: a refused release is built again, a live one gets new work.
STAGE_MOVES: Final[Moves] = {
    "scan": frozenset({"validate"}),
    "validate": frozenset({"build"}),
    "build": frozenset({"launch"}),
    "launch": frozenset({"build", "grow"}),
    "grow": frozenset({"build", "launch"}),
}

# Source, as far as a product can come without growth rules.
LIFE_MOVES: Final[Moves] = {
    "building": frozenset({"launched", "frozen"}),
    "launched": frozenset({"frozen"}),
    "frozen": frozenset({"building", "launched"}),
}

MAY_BE_BUILT: Final = frozenset({"passed", "approved"})
MAY_BE_OPENED: Final = frozenset({"found", "scored", "validating"}) | MAY_BE_BUILT
