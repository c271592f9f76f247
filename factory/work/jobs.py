"""Chores of the queue."""

from core.registry import every, runs_queues
from factory.work.services import (
    clear_outages,
    promote_due,
    readmit,
    reap_leases,
    run_ready,
    settle_drain,
    settle_effects,
    start_due_schedules,
    sync_lanes,
    watch_line,
)

runs_queues(run_ready)


@every(5, name="work.reap_leases")
def reap() -> int:
    """Take tasks back from silent workers, and results from silent judges."""
    return reap_leases()


@every(1, name="work.promote_due")
def promote() -> int:
    """Let the next attempts begin whose pause is over."""
    return promote_due()


every(1, name="work.settle_drain")(settle_drain)
every(5, name="work.settle_effects")(settle_effects)
every(5, name="work.start_due_schedules")(start_due_schedules)
every(10, name="work.watch_line")(watch_line)
every(10, name="work.clear_outages")(clear_outages)


@every(30, name="work.sync_lanes")
def follow_agents() -> int:
    """Let lines and limits follow the agents' files."""
    return sync_lanes()


@every(5, name="work.readmit")
def let_back_in() -> int:
    """Put back into the line what was held for a reason that is gone."""
    return readmit()
