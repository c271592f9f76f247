"""Chores of the queue, and the job by which a node is tested."""

import time
from hashlib import sha256

from django.conf import settings

from core.registry import Assignment, Outcome, Stop, every, register_job, runs_queues
from core.services.node import facts_of_here
from factory.work.services import (
    age_line,
    call_nodes,
    clear_outages,
    hold_switched,
    promote_due,
    readmit,
    reap_leases,
    recover_dead,
    run_ready,
    settle_drain,
    settle_effects,
    start_due_schedules,
    sweep,
    sync_lanes,
    watch_line,
)
from factory.work.services.choices import GIVEN

runs_queues(run_ready)


@register_job(GIVEN)
def give_result(assignment: Assignment, stop: Stop, /) -> Outcome:
    """Be done with what the owner gave."""
    return Outcome(kind="done", result=assignment.inputs["arguments"]["given"])


@every(1, name="work.recover_dead")
def recover() -> int:
    """Take tasks back at once from workers that died on this host."""
    return recover_dead()


@every(1, name="work.reap_leases", patience_s=settings.LEASE_S / 2)
def reap() -> int:
    """Take tasks back from workers that went silent anywhere, and results from silent judges."""
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
every(60, name="work.sweep")(sweep)


@every(30, name="work.sync_lanes")
def follow_agents() -> int:
    """Let lines and limits follow the agents' files."""
    return sync_lanes()


@every(5, name="work.readmit")
def let_back_in() -> int:
    """Put back into the line what was held for a reason that is gone."""
    hold_switched()
    return readmit()


@every(30, name="work.call_nodes")
def call() -> bool:
    """Ring for nodes again: a message may have been lost."""
    return call_nodes()


@register_job("node.test", queue="gpu")
def test_node(assignment: Assignment, stop: Stop) -> Outcome:
    """Say what this host is and how fast it counts; it needs no database."""
    seconds = float(assignment.inputs["arguments"]["seconds"])
    megabyte, digest, counted = bytes(1_000_000), sha256(), 0
    began = time.perf_counter()
    while time.perf_counter() - began < seconds and not stop.is_set():
        digest.update(megabyte)
        counted += 1
    speed = round(counted / (time.perf_counter() - began))
    return Outcome(kind="done", result={**facts_of_here(), "hashed_mb_per_s": speed})


@every(20, name="work.age_line")
def grow_older() -> int:
    """Write into the line what time changes."""
    return age_line()
