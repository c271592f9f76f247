"""Every number of the pages, computed from the ledger and from rows of events; nothing is kept here."""

from factory.insight.rules import PnlRow
from factory.insight.services.alerts import Alert, alerts_now
from factory.insight.services.effects import Effect, effects_of
from factory.insight.services.graphs import (
    Graph,
    GraphLine,
    Step,
    causes_of,
    closed_graphs,
    graph_lines,
    graphs_of,
    open_graphs,
)
from factory.insight.services.metrics import Metrics, metrics_now
from factory.insight.services.money import MoneyNow, Purse, money_now
from factory.insight.services.news import News, Since, news_since
from factory.insight.services.products import (
    StageCost,
    attempt_costs,
    own_costs,
    product_pnl,
    stage_costs,
)
from factory.insight.services.queue import QueueNow, given_up, queue_now
from factory.insight.services.search import Hits, search
from factory.insight.services.sessions import SessionNow, session_of
from factory.insight.services.ventures import Venture, ventures
from factory.insight.services.work import AtWork, StoryUse, story_use, who_works

__all__ = [
    "Alert", "AtWork", "Effect", "Graph", "GraphLine", "Hits", "Metrics", "MoneyNow", "News",
    "PnlRow", "Purse", "QueueNow", "SessionNow", "Since", "StageCost", "Step", "StoryUse",
    "Venture", "alerts_now", "attempt_costs", "causes_of", "closed_graphs", "effects_of",
    "given_up", "graph_lines", "graphs_of", "metrics_now", "money_now", "news_since", "open_graphs",
    "own_costs", "product_pnl", "queue_now", "search", "session_of", "stage_costs", "story_use",
    "ventures", "who_works",
]  # fmt: skip
