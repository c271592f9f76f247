"""Celery's own graphs (chains, groups, chords) on the same Redis: `python -m bench.canvas`."""

import os
import subprocess
import sys
import time
from typing import Any

from celery import Celery, chain, group

from bench import measure

URL = os.environ["BENCH_REDIS"]
app = Celery("canvas", broker=f"{URL}/14", backend=f"{URL}/15")
app.conf.update(
    task_acks_late=True, worker_prefetch_multiplier=4, worker_send_task_events=False, task_track_started=False,
    broker_connection_retry_on_startup=True, result_expires=3_600,
)  # fmt: skip


@app.task(name="bench.nothing")
def nothing(name: str) -> None:
    """Do nothing, and record it."""
    measure.ran(name)


def parts(shape: str) -> list[Any]:
    """Return the graph as Celery says it: a stage is a group, its join follows."""
    if shape == "chain":
        return [nothing.si(name) for name in measure.GRAPHS["chain"]]
    said: list[Any] = []
    side: list[Any] = []
    for name in measure.GRAPHS["fan"]:
        if name.endswith("join"):
            said += [group(side), nothing.si(name)]
            side = []
        else:
            side.append(nothing.si(name))
    return said


def main() -> None:
    """Run both graphs with a worker of two processes, once to warm up and once to measure."""
    command = [sys.executable, "-m", "celery", "-A", "bench.canvas", "worker", "-c", "2", "-l", "ERROR", "--without-gossip", "--without-mingle"]  # fmt: skip
    with subprocess.Popen(command) as worker:
        try:
            nothing.delay("warm").get(timeout=60)
            pids = [os.getpid(), worker.pid, *map(int, os.environ["BENCH_SERVERS"].split())]
            for shape in measure.GOES:
                measure.clear()
                used, began = measure.cpu_s(*pids), time.time()
                chain(*parts(shape)).apply_async()
                measure.wait_for(len(measure.GRAPHS[shape]))
                measure.show("celery canvas, redis", shape, began=began, cpu=measure.cpu_s(*pids) - used)
        finally:
            worker.terminate()


if __name__ == "__main__":
    main()
