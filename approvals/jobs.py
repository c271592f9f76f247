"""Silence reminds, then refuses: the ticker looks every 15 seconds."""

from approvals.services import expire_requests, remind_owner
from core.registry import every

every(15, name="approvals.expire_requests")(expire_requests)
every(15, name="approvals.remind_owner")(remind_owner)
