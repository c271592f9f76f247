"""What the pages and the command line have in common: the first day."""

from factory.console.services.first_day import (
    FirstDay,
    cap_offered_usd,
    check_cap,
    check_on,
    check_zone,
    first_cap_usd,
    is_set_up,
    most_on_first_day_usd,
    set_up,
)
from factory.console.services.keys import OTHER, OWN, GivenKey, is_opening, last_check, may_open, try_key

__all__ = [
    "OTHER", "OWN", "FirstDay", "GivenKey", "cap_offered_usd", "check_cap", "check_on", "check_zone", "first_cap_usd", "is_opening", "is_set_up", "last_check", "may_open",
    "most_on_first_day_usd", "set_up", "try_key",
]  # fmt: skip
