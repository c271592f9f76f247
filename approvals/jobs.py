"""Silence refuses: the ticker looks every 15 seconds."""

from approvals.services import expire_requests
from core.registry import every

every(15, name="approvals.expire_requests")(expire_requests)
