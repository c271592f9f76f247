"""The real model: whoever the gateway chooses."""

from agents.gateway import services
from agents.gateway.ports import Ask, Keep, Reply
from core.registry import Stop


class Gateway:
    """The only door to a model."""

    def complete(self, ask: Ask, *, stop: Stop, keep: Keep) -> Reply:
        """Return one answer."""
        return services.complete(ask, stop=stop, keep=keep)
