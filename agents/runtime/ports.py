"""What the agent loop needs of a model."""

from typing import Protocol

from agents.gateway.ports import Ask, Reply
from core.registry import Stop


class Model(Protocol):
    """Answers, and is paid for every answer."""

    def complete(self, ask: Ask, *, stop: Stop) -> Reply:
        """Return one answer: text, tool calls, or one that was cut."""
