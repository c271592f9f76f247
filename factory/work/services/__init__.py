"""The verbs of work."""

from factory.work.services.admission import Admission, read_admission, readmit
from factory.work.services.attempts import (
    finish_attempt,
    heartbeat,
    may_go_on,
    reap_leases,
    recover_at_boot,
    start_attempt,
)
from factory.work.services.claims import claim_task
from factory.work.services.dead_letters import cancel_graph, cancel_task, retry_dead_letter
from factory.work.services.drains import settle_drain
from factory.work.services.engine import Loop, run_next, run_ready
from factory.work.services.failures import promote_due
from factory.work.services.graphs import create_graph, pause_graph, unpause_graph
from factory.work.services.growth import extend_graph
from factory.work.services.lanes import (
    hold_task,
    let_go,
    lift_limit,
    open_lanes,
    pause_queue,
    set_permits,
    sync_lanes,
    unpause_queue,
)
from factory.work.services.questions import hold_back, refuse_task, resume_task
from factory.work.services.results import accept_result, refuse_result
from factory.work.services.summary import summarize
from factory.work.services.tasks import change_task
from factory.work.services.versions import as_read

__all__ = [
    "Admission", "Loop", "accept_result", "as_read", "cancel_graph", "cancel_task", "change_task", "claim_task", "create_graph",
    "extend_graph", "finish_attempt", "heartbeat", "hold_back", "hold_task", "let_go", "lift_limit", "may_go_on",
    "open_lanes", "pause_graph", "pause_queue", "promote_due", "read_admission", "readmit", "reap_leases",
    "recover_at_boot", "refuse_result", "refuse_task", "resume_task", "retry_dead_letter", "run_next", "run_ready",
    "set_permits", "settle_drain", "start_attempt", "summarize", "sync_lanes", "unpause_graph", "unpause_queue",
]  # fmt: skip
