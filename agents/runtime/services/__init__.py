"""Carrying out one assignment."""

from agents.runtime.services.attempts import carry_out

__all__ = ["carry_out"]
