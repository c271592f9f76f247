"""Chores of the queue."""

import time
from collections.abc import Collection

from core.registry import Stop, every, runs_queues
from factory.work.services import promote_due, reap_leases, run_next, settle_drain, sync_lanes


@runs_queues
def run_ready(queues: Collection[str], *, worker: str, stop: Stop, at_most_s: float) -> int:
    """Carry out what is ready, one task after the other; return how many that were."""
    end, done = time.monotonic() + at_most_s, 0
    while not stop.is_set() and time.monotonic() < end and run_next(worker=worker, stop=stop):
        done += 1
    return done


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
