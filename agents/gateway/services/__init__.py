"""The only door to a model: hold, call, settle; and the prices it stands on."""

from agents.gateway.services.calls import complete
from agents.gateway.services.fill import fill
from agents.gateway.services.prices import start_provider, stop_provider, sync_prices
from agents.gateway.services.records import settle_lost

__all__ = ["complete", "fill", "settle_lost", "start_provider", "stop_provider", "sync_prices"]
