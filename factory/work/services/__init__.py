"""The verbs of work."""

from factory.work.services.admission import Admission, hold_switched, read_admission, readmit, shut_agents
from factory.work.services.attempts import (
    finish_attempt,
    heartbeat,
    may_go_on,
    reap_leases,
    recover_dead,
    start_attempt,
)
from factory.work.services.children import spawn_children
from factory.work.services.choices import cancel_branch, continue_without, replace_task
from factory.work.services.claims import claim_task
from factory.work.services.dead_letters import cancel_graph, cancel_task, retry_dead_letter
from factory.work.services.drains import settle_drain
from factory.work.services.effects import (
    Deed,
    Done,
    carry_out_once,
    intend,
    repeat_effect,
    settle_effects,
    take_as_done,
)
from factory.work.services.engine import Loop, run_next, run_ready
from factory.work.services.failures import promote_due
from factory.work.services.graphs import create_graph, pause_graph, unpause_graph
from factory.work.services.growth import extend_graph
from factory.work.services.lanes import (
    age_line,
    change_priority,
    hold_task,
    let_go,
    lift_limit,
    open_lanes,
    pause_queue,
    set_permits,
    sync_lanes,
    unpause_queue,
)
from factory.work.services.nodes import (
    admit_node,
    beat_for_node,
    call_nodes,
    fetch_for_node,
    finish_for_node,
    node_of,
    queue_node_test,
    revoke_node,
    rotate_node_key,
)
from factory.work.services.outages import clear_outages, note_outage, shut_kinds
from factory.work.services.pressure import watch_line
from factory.work.services.questions import hold_back, refuse_task, resume_task
from factory.work.services.results import accept_result, refuse_result
from factory.work.services.schedules import (
    pause_schedule,
    remove_schedule,
    resume_schedule,
    set_schedule,
    start_due_schedules,
)
from factory.work.services.summary import summarize
from factory.work.services.sweeper import sweep
from factory.work.services.tasks import change_task
from factory.work.services.versions import as_read

__all__ = [
    "Admission",
    "Deed",
    "Done",
    "Loop",
    "accept_result",
    "admit_node",
    "age_line",
    "as_read",
    "beat_for_node",
    "call_nodes",
    "cancel_branch",
    "cancel_graph",
    "cancel_task",
    "carry_out_once",
    "change_priority",
    "change_task",
    "claim_task",
    "clear_outages",
    "continue_without",
    "create_graph",
    "extend_graph",
    "fetch_for_node",
    "finish_attempt",
    "finish_for_node",
    "heartbeat",
    "hold_back",
    "hold_switched",
    "hold_task",
    "intend",
    "let_go",
    "lift_limit",
    "may_go_on",
    "node_of",
    "note_outage",
    "open_lanes",
    "pause_graph",
    "pause_queue",
    "pause_schedule",
    "promote_due",
    "queue_node_test",
    "read_admission",
    "readmit",
    "reap_leases",
    "recover_dead",
    "refuse_result",
    "refuse_task",
    "remove_schedule",
    "repeat_effect",
    "replace_task",
    "resume_schedule",
    "resume_task",
    "retry_dead_letter",
    "revoke_node",
    "rotate_node_key",
    "run_next",
    "run_ready",
    "set_permits",
    "set_schedule",
    "settle_drain",
    "settle_effects",
    "shut_agents",
    "shut_kinds",
    "spawn_children",
    "start_attempt",
    "start_due_schedules",
    "summarize",
    "sweep",
    "sync_lanes",
    "take_as_done",
    "unpause_graph",
    "unpause_queue",
    "watch_line",
]  # fmt: skip
