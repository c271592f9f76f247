"""Carrying out one assignment."""

from agents.runtime.services.attempts import carry_out, stop_orphans
from agents.runtime.services.notes import tell_agent

__all__ = ["carry_out", "stop_orphans", "tell_agent"]
