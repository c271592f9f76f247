"""What the agent loop needs of a model."""

from typing import Protocol

from agents.gateway.ports import Ask, Keep, Reply
from core.registry import Stop


class Model(Protocol):
    """Answers, and is paid for every answer."""

    def complete(self, ask: Ask, *, stop: Stop, keep: Keep) -> Reply:
        """Return one answer: text, tool calls, or one that was cut; `keep` it in the transaction that books it."""
