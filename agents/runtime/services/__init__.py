"""Carrying out one assignment."""

from agents.runtime.services.attempts import carry_out, stop_orphans

__all__ = ["carry_out", "stop_orphans"]
