"""Chores of the queue."""

from core.registry import every, runs_queues
from factory.work.services import promote_due, readmit, reap_leases, run_ready, settle_drain, sync_lanes

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


@every(30, name="work.sync_lanes")
def follow_agents() -> int:
    """Let lines and limits follow the agents' files."""
    return sync_lanes()


@every(5, name="work.readmit")
def let_back_in() -> int:
    """Put back into the line what was held for a reason that is gone."""
    return readmit()
