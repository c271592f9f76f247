"""The ground's verbs."""

from core.services.audit import audit
from core.services.blobs import put_blob, read_blob
from core.services.clock import advance_to, business_now, start_clock_at
from core.services.ground import current_mode, found_installation, is_stopped, start_again, stop_everything
from core.services.outbox import handles, publish, relay_event, relay_waiting
from core.services.people import accept_invitation, invite_person, is_invitation_open

__all__ = [
    "accept_invitation", "advance_to", "audit", "business_now", "current_mode", "found_installation", "handles",
    "invite_person", "is_invitation_open", "is_stopped", "publish", "put_blob", "read_blob", "relay_event",
    "relay_waiting", "start_again", "start_clock_at", "stop_everything",
]  # fmt: skip
