"""The roster's verbs."""

from agents.roster.services.prompts import prompt_for
from agents.roster.services.rights import authorize, issue_token, revoke_tokens, token_in_force
from agents.roster.services.staff import SyncReport, find_agent, flag_agent, switch_agent, sync_agents

__all__ = [
    "SyncReport", "authorize", "find_agent", "flag_agent", "issue_token", "prompt_for", "revoke_tokens",
    "switch_agent", "sync_agents", "token_in_force",
]  # fmt: skip
