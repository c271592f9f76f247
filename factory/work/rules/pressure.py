"""How much open work there may be, and where work comes from."""

from dataclasses import dataclass
from typing import Final

MAX_OPEN: Final = 10_000
MAX_OPEN_PER_SOURCE: Final = 1_000
MAX_OPEN_PER_PRODUCT: Final = 500
MAX_KEV_PER_MIN: Final = 60
FULL_WAIT_S: Final = 60
"""When to ask again. Source: R-04.28."""

MANY_READY: Final = 100
MANY_FOR_S: Final = 300
LONG_WAIT_S: Final = 1_800

SYSTEM: Final = "system"
KEV: Final = "agent:Kev"


@dataclass(frozen=True)
class Origin:
    """Where work comes from, and who wanted it: told by the door, never by a text. Source: R-04.20."""

    source: str = SYSTEM
    by: str = ""


@dataclass(frozen=True)
class Load:
    """How many tasks are open, and how many Kev made in the last minute."""

    everything: int = 0
    of_source: int = 0
    of_product: int = 0
    of_kev: int = 0


def why_full(fresh: int, *, load: Load, origin: Origin) -> str:
    """Return in words why `fresh` more tasks are too many; empty when there is room. Source: R-01.27, R-04.28.

    One graph of Kev's may pass his pace when he made nothing else in that minute: a plan is not cut in two.
    """
    if load.everything + fresh > MAX_OPEN:
        return f"{load.everything} tasks are open, {MAX_OPEN} at most"
    if origin.source != SYSTEM and load.of_source + fresh > MAX_OPEN_PER_SOURCE:
        return f"{load.of_source} tasks from {origin.source} are open, {MAX_OPEN_PER_SOURCE} at most"
    if load.of_product + fresh > MAX_OPEN_PER_PRODUCT:
        return f"{load.of_product} tasks of this product are open, {MAX_OPEN_PER_PRODUCT} at most"
    if origin.by == KEV and load.of_kev and load.of_kev + fresh > MAX_KEV_PER_MIN:
        return f"Kev made {load.of_kev} tasks in the last minute, {MAX_KEV_PER_MIN} at most"
    return ""
