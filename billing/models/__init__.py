"""Whose money it is, what may be spent, what is held, what was spent and what came in."""

from billing.models.alerts import MoneyAlert, MoneyAlertQuerySet
from billing.models.holds import Hold, HoldQuerySet
from billing.models.ledger import (
    CostHour,
    CostHourQuerySet,
    Entry,
    EntryQuerySet,
    Overage,
    RevenueEvent,
    RevenueQuerySet,
)
from billing.models.scopes import Limit, Period, RaiseAsked, Scope, Window, WindowQuerySet
from billing.models.switches import Pace, Switch, SwitchQuerySet

__all__ = [
    "CostHour", "CostHourQuerySet", "Entry", "EntryQuerySet", "Hold", "HoldQuerySet", "Limit", "MoneyAlert",
    "MoneyAlertQuerySet", "Overage", "Pace", "Period", "RaiseAsked", "RevenueEvent", "RevenueQuerySet", "Scope", "Switch",
    "SwitchQuerySet", "Window", "WindowQuerySet",
]  # fmt: skip
