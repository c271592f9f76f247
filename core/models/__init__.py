"""Rows every floor stands on."""

from core.models.facts import AuditRow, Event, EventQuerySet
from core.models.ground import Blob, Installation, Mode
from core.models.people import InviteLink, User

__all__ = ["AuditRow", "Blob", "Event", "EventQuerySet", "Installation", "InviteLink", "Mode", "User"]
