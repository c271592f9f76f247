"""Facts from below that end a release."""

from core.models import Event
from core.services import handles
from factory.delivery.services.releases import ACTION, drop_question


@handles("approvals.request_decided")
def forget_question(event: Event) -> None:
    """A release that nobody is asked about any more is over."""
    if event.facts["action"] == ACTION and event.facts["answer"] == "withdrawn":
        drop_question(event.facts["request_id"])
