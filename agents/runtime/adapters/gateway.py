"""The real model: whoever the gateway chooses."""

from agents.gateway import services
from agents.gateway.ports import Ask, Reply
from core.registry import Json, Stop


class Gateway:
    """The only door to a model."""

    def complete(self, ask: Ask, *, stop: Stop) -> Reply:
        """Return one answer."""
        return services.complete(ask, stop=stop)

    def fill(self, ask: Ask, *, stop: Stop) -> tuple[Json, Reply]:
        """Return an answer that fits the schema of `ask`."""
        return services.fill(ask, stop=stop)
