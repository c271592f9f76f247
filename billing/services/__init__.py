"""Money moves here and nowhere else."""

from billing.services.alerts import Passed, forecast_of_month, tell_of_money, watch_limits
from billing.services.holds import (
    capture_hold,
    expire_holds,
    lose_hold,
    place_hold,
    release_hold,
    settle_orphans,
)
from billing.services.ledger import book_entry
from billing.services.pace import watch_pace
from billing.services.revenue import receive_payment, record_revenue
from billing.services.scopes import (
    call_cap,
    cap_scopes,
    change_limit,
    factory_scope,
    give_limits,
    open_scope,
    open_scopes,
    open_windows,
    rename_scope,
    set_limit,
    start_small,
)
from billing.services.standing import book_standing

__all__ = [
    "Passed",
    "book_entry",
    "book_standing",
    "call_cap",
    "cap_scopes",
    "capture_hold",
    "change_limit",
    "expire_holds",
    "factory_scope",
    "forecast_of_month",
    "give_limits",
    "lose_hold",
    "open_scope",
    "open_scopes",
    "open_windows",
    "place_hold",
    "receive_payment",
    "record_revenue",
    "release_hold",
    "rename_scope",
    "set_limit",
    "settle_orphans",
    "start_small",
    "tell_of_money",
    "watch_limits",
    "watch_pace",
]  # fmt: skip
