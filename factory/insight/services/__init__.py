"""Every number of the pages, computed from the ledger and from rows of events; nothing is kept here."""

from factory.insight.rules import PnlRow
from factory.insight.services.alerts import Alert, alerts_now
from factory.insight.services.effects import Effect, effects_of
from factory.insight.services.metrics import Metrics, metrics_now
from factory.insight.services.money import MoneyNow, Purse, money_now
from factory.insight.services.products import (
    StageCost,
    attempt_costs,
    own_costs,
    product_pnl,
    stage_costs,
)
from factory.insight.services.ventures import Venture, ventures
from factory.insight.services.work import AtWork, StoryUse, story_use, who_works

__all__ = [
    "Alert", "AtWork", "Effect", "Metrics", "MoneyNow", "PnlRow", "Purse", "StageCost", "StoryUse", "Venture", "alerts_now", "attempt_costs", "effects_of",
    "metrics_now", "money_now", "own_costs", "product_pnl", "stage_costs", "story_use", "ventures", "who_works",
]  # fmt: skip
