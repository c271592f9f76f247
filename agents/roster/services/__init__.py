"""The roster's verbs."""

from agents.roster.services.cards import card_of
from agents.roster.services.prompts import prompt_for
from agents.roster.services.rights import (
    authorize,
    engine_token_in_force,
    issue_engine_token,
    issue_token,
    revoke_tokens,
    token_in_force,
)
from agents.roster.services.staff import (
    SyncReport,
    drain_agent,
    find_agent,
    flag_agent,
    quarantine_agent,
    switch_agent,
    sync_agents,
)

__all__ = [
    "SyncReport",
    "authorize",
    "card_of",
    "drain_agent",
    "engine_token_in_force",
    "find_agent",
    "flag_agent",
    "issue_engine_token",
    "issue_token",
    "prompt_for",
    "quarantine_agent",
    "revoke_tokens",
    "switch_agent",
    "sync_agents",
    "token_in_force",
]  # fmt: skip
