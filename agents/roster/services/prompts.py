"""The part of a prompt that stays the same from call to call."""

from pathlib import Path

from django.conf import settings

from agents.roster.models import AgentVersion
from agents.roster.rules import join_prompt
from agents.roster.services.staff import PREAMBLE


def prompt_for(version: AgentVersion) -> str:
    """Return layers 1 to 3 of the prompt: what the factory tells everyone, then who this agent is; equal inputs, equal bytes."""
    preamble = Path(settings.DATA_DIR, "agents", PREAMBLE).read_text(encoding="utf-8")
    return join_prompt(preamble, version.body)
