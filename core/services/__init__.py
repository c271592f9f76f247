"""The ground's verbs."""

from core.services.audit import audit
from core.services.blobs import put_blob, read_blob
from core.services.clock import advance_to, business_now, machine_now, start_clock_at
from core.services.ground import (
    adopt_database,
    begin_maintenance,
    claim_database,
    current_mode,
    drain,
    end_maintenance,
    found_installation,
    is_stopped,
    may_begin,
    must_halt,
    start_again,
    stop_everything,
)
from core.services.live import announce
from core.services.moving import move_in
from core.services.outbox import handles, is_handled, publish, relay_event, relay_waiting
from core.services.people import accept_invitation, invite_person, is_invitation_open, note_look
from core.services.processes import mark_gone, mark_seen
from core.services.settings import (
    change_setting,
    check_settings,
    number_setting,
    revert_setting,
    setting,
    settings_in_force,
)
from core.services.tokens import find_device_token, issue_device_token, revoke_device_token

__all__ = [
    "accept_invitation", "adopt_database", "advance_to", "announce", "audit", "begin_maintenance",
    "business_now", "change_setting", "check_settings", "claim_database", "current_mode", "drain", "end_maintenance",
    "find_device_token", "found_installation", "handles", "invite_person", "is_handled",
    "is_invitation_open", "is_stopped", "issue_device_token", "machine_now", "mark_gone",
    "mark_seen", "may_begin", "move_in", "must_halt", "note_look", "number_setting", "publish", "put_blob",
    "read_blob", "relay_event", "relay_waiting", "revert_setting", "revoke_device_token", "setting",
    "settings_in_force", "start_again", "start_clock_at", "stop_everything",
]  # fmt: skip
