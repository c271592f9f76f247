"""Stops and starts that were made elsewhere stand among the switches too."""

from billing import services
from core.models import Event
from core.services import handles


@handles("core.factory_stopped")
def note_stop(event: Event) -> None:
    """Keep a stop among the switches."""
    services.note_stop(by=str(event.facts.get("by", "")))


@handles("core.factory_started")
def note_start(event: Event) -> None:
    """Close the rows of a stop that ended."""
    services.note_start(by=str(event.facts.get("by", "")))
