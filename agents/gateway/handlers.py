"""What the gateway does when money tells of its calls."""

from uuid import UUID

from agents.gateway.services import settle_lost
from core.models import Event
from core.services import handles


@handles("billing.hold_lost")
def close_lost_call(event: Event) -> None:
    """A hold that was given up closes its call's row."""
    settle_lost(UUID(event.facts["call_id"]), cost_microusd=event.facts["bound_microusd"])
