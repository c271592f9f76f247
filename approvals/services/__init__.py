"""The verbs of approvals: ask, answer, take back, use, and what silence does."""

from approvals.services.asking import ask_owner, withdraw_request
from approvals.services.deciding import Answer, decide_request, decide_together, may_take_back, take_back
from approvals.services.records import gate_records, record_of
from approvals.services.silence import expire_requests, remind_owner
from approvals.services.using import use_decision

__all__ = [
    "Answer", "ask_owner", "decide_request", "decide_together", "expire_requests", "gate_records", "may_take_back", "record_of",
    "remind_owner", "take_back", "use_decision", "withdraw_request",
]  # fmt: skip
