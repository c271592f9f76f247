"""Rows every floor stands on."""

from core.models.facts import AuditRow, Event, EventQuerySet
from core.models.fields import OrderedJSONField
from core.models.ground import Blob, DueChore, Installation, Mode
from core.models.people import InviteLink, User
from core.models.processes import Process, ProcessQuerySet
from core.models.settings import SettingValue, SettingValueQuerySet
from core.models.tokens import CallCount, DeviceToken, KeptReply

__all__ = [
    "AuditRow", "Blob", "CallCount", "DeviceToken", "DueChore", "Event", "EventQuerySet", "Installation",
    "InviteLink", "KeptReply", "Mode", "OrderedJSONField", "Process", "ProcessQuerySet", "SettingValue", "SettingValueQuerySet",
    "User",
]  # fmt: skip
