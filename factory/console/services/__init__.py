"""What the pages and the command line have in common: the first day."""

from factory.console.services.first_day import (
    FIRST_CAP_USD,
    MOST_ON_FIRST_DAY_USD,
    FirstDay,
    is_set_up,
    set_up,
)
from factory.console.services.keys import OTHER, OWN, GivenKey, is_opening, last_check, may_open, try_key

__all__ = [
    "FIRST_CAP_USD", "MOST_ON_FIRST_DAY_USD", "OTHER", "OWN", "FirstDay", "GivenKey", "is_opening", "is_set_up", "last_check", "may_open",
    "set_up", "try_key",
]  # fmt: skip
