"""Every number of the pages, computed from the ledger and from rows of events; nothing is kept here."""

from factory.insight.rules import PnlRow
from factory.insight.rules.spans import Span
from factory.insight.services.agents import AgentCard, AgentNow, Record, agent_card, agents_now, has_worker
from factory.insight.services.alerts import Alert, alerts_now
from factory.insight.services.calls import CallPage, CallStory, call_page, call_story
from factory.insight.services.costs import (
    GOAL_SHARES,
    AgentCost,
    Band,
    Costs,
    ModelCost,
    VentureCost,
    costs_now,
)
from factory.insight.services.effects import Effect, effects_of, parked_behind
from factory.insight.services.exports import queue_export, start_export, target
from factory.insight.services.gauges import families_now
from factory.insight.services.graphs import (
    Graph,
    GraphLine,
    Step,
    Try,
    causes_of,
    closed_graphs,
    cost_of,
    graph_lines,
    graphs_for,
    graphs_of,
    open_graphs,
    progress_of,
    titles_behind,
    tries_of,
)
from factory.insight.services.incidents import Incident, incidents_now
from factory.insight.services.last_hour import Circle, LastHour, Spender, last_hour
from factory.insight.services.ledger import (
    DAYS,
    LedgerPage,
    LedgerRow,
    LedgerSums,
    Wanted,
    ledger_page,
    ledger_rows,
    ledger_sums,
)
from factory.insight.services.metrics import Metrics, metrics_now
from factory.insight.services.mix import watch_caches, watch_mix
from factory.insight.services.money import MoneyNow, Purse, money_now
from factory.insight.services.news import News, Since, news_since
from factory.insight.services.products import (
    StageCost,
    own_costs,
    own_sums,
    product_pnl,
    stage_costs,
)
from factory.insight.services.purposes import PURPOSES_BY, Purpose, purposes_by
from factory.insight.services.queue import QueueNow, given_up, queue_now
from factory.insight.services.search import Hits, search
from factory.insight.services.sessions import SessionNow, session_of
from factory.insight.services.traces import Trace, trace_of
from factory.insight.services.use import MOST_HOURS, Use, use_of_models
from factory.insight.services.ventures import Venture, product_shown, venture_of, ventures
from factory.insight.services.work import AtWork, StoryUse, story_use, who_works

__all__ = [
    "DAYS",
    "GOAL_SHARES",
    "MOST_HOURS",
    "PURPOSES_BY",
    "AgentCard",
    "AgentCost",
    "AgentNow",
    "Alert",
    "AtWork",
    "Band",
    "CallPage",
    "CallStory",
    "Circle",
    "Costs",
    "Effect",
    "Graph",
    "GraphLine",
    "Hits",
    "Incident",
    "LastHour",
    "LedgerPage",
    "LedgerRow",
    "LedgerSums",
    "Metrics",
    "ModelCost",
    "MoneyNow",
    "News",
    "PnlRow",
    "Purpose",
    "Purse",
    "QueueNow",
    "Record",
    "SessionNow",
    "Since",
    "Span",
    "Spender",
    "StageCost",
    "Step",
    "StoryUse",
    "Trace",
    "Try",
    "Use",
    "Venture",
    "VentureCost",
    "Wanted",
    "agent_card",
    "agents_now",
    "alerts_now",
    "call_page",
    "call_story",
    "causes_of",
    "closed_graphs",
    "cost_of",
    "costs_now",
    "effects_of",
    "families_now",
    "given_up",
    "graph_lines",
    "graphs_for",
    "graphs_of",
    "has_worker",
    "incidents_now",
    "last_hour",
    "ledger_page",
    "ledger_rows",
    "ledger_sums",
    "metrics_now",
    "money_now",
    "news_since",
    "open_graphs",
    "own_costs",
    "own_sums",
    "parked_behind",
    "product_pnl",
    "product_shown",
    "progress_of",
    "purposes_by",
    "queue_export",
    "queue_now",
    "search",
    "session_of",
    "stage_costs",
    "start_export",
    "story_use",
    "target",
    "titles_behind",
    "trace_of",
    "tries_of",
    "use_of_models",
    "venture_of",
    "ventures",
    "watch_caches",
    "watch_mix",
    "who_works",
]  # fmt: skip
