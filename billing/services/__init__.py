"""Money moves here and nowhere else."""

from billing.services.alerts import Passed, forecast_from, forecast_of_month, tell_of_money, watch_limits
from billing.services.holds import (
    capture_hold,
    expire_holds,
    extend_hold,
    lose_hold,
    place_hold,
    release_hold,
    settle_orphans,
    settling,
)
from billing.services.ledger import book_entry
from billing.services.limits import change_limit, end_raises, give_limits, set_limit
from billing.services.pace import PaceLines, pace_lines, watch_pace
from billing.services.revenue import receive_payment, record_revenue
from billing.services.scopes import (
    call_cap,
    cap_scopes,
    factory_scope,
    open_scope,
    open_scopes,
    open_windows,
    payers_of,
    rename_scope,
    start_small,
    team_scope,
)
from billing.services.standing import book_standing
from billing.services.switches import (
    clear_switch,
    epoch,
    note_start,
    note_stop,
    open_switches,
    pace_microusd,
    require_open,
    set_switch,
    switch_against,
    tidy_switches,
)

__all__ = [
    "PaceLines",
    "Passed",
    "book_entry",
    "book_standing",
    "call_cap",
    "cap_scopes",
    "capture_hold",
    "change_limit",
    "clear_switch",
    "end_raises",
    "epoch",
    "expire_holds",
    "extend_hold",
    "factory_scope",
    "forecast_from",
    "forecast_of_month",
    "give_limits",
    "lose_hold",
    "note_start",
    "note_stop",
    "open_scope",
    "open_scopes",
    "open_switches",
    "open_windows",
    "pace_lines",
    "pace_microusd",
    "payers_of",
    "place_hold",
    "receive_payment",
    "record_revenue",
    "release_hold",
    "rename_scope",
    "require_open",
    "set_limit",
    "set_switch",
    "settle_orphans",
    "settling",
    "start_small",
    "switch_against",
    "team_scope",
    "tell_of_money",
    "tidy_switches",
    "watch_limits",
    "watch_pace",
]  # fmt: skip
