"""Our rows: the graphs made and carried out by the real services, pulled by processes or woken through Celery.

Also a Celery application: `celery -A bench.ours worker -Q control`.
"""

import json
import multiprocessing
import os
import subprocess
import sys
import time
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "factory.settings")
django.setup()

from django.core.management import call_command
from django.db import connection, connections

from bench import measure
from billing.services import factory_scope
from core.adapters.broker import app
from core.ids import new_id
from core.registry import Assignment, Outcome, Stop, TaskSpec, register_job
from core.services import found_installation
from factory.work import rules
from factory.work.models import Dag, Lane, Task
from factory.work.rules import graphs, pressure
from factory.work.services import claim_task, create_graph, open_lanes, run_ready

__all__ = ["app"]
POLL_S = 0.005
BIG = 1_000_000


@register_job("bench.nothing", quick=True)
def nothing(assignment: Assignment, stop: Stop) -> Outcome:
    """Do nothing, and record it."""
    measure.ran(assignment.title)
    return Outcome(kind="done")


def prepare() -> None:
    """Make the database; a graph of the benchmark may be larger than one of the factory."""
    call_command("migrate", verbosity=0)
    found_installation("rehearsal")
    for module in (rules, graphs, pressure):
        for name in [name for name in vars(module) if name.startswith("MAX_OPEN") or name == "MAX_TASKS"]:
            setattr(module, name, BIG)


def make(shape: str) -> Dag:
    """Make one of the graphs."""
    specs = [
        TaskSpec(key=name, title=name, kind="bench.nothing", after=after)
        for name, after in measure.GRAPHS[shape].items()
    ]
    return create_graph(
        product=None,
        title=shape,
        tasks=specs,
        scope=factory_scope(),
        correlation_id=new_id(),
        key=str(new_id()),
    )


def pull(n: int, stop: Any) -> None:
    """Carry out what is ready until told to stop; look again every few milliseconds."""
    while not stop.is_set():
        if not run_ready(["control"], worker=f"bench#{n}", stop=Stop()):
            time.sleep(POLL_S)
    connections.close_all()


def servers() -> list[int]:
    """Return the process of the database server, if it is one of its own."""
    return [
        int(pid) for pid in os.environ.get("BENCH_SERVERS", "").split() if connection.vendor == "postgresql"
    ]


def run_pulled(row: str, *, processes: int) -> None:
    """Let processes pull both graphs, one after the other."""
    prepare()
    fresh = multiprocessing.get_context("spawn")
    stop = fresh.Event()
    workers = [fresh.Process(target=pull, args=(n, stop)) for n in range(processes)]
    for worker in workers:
        worker.start()
    _both(row, servers())
    stop.set()
    for worker in workers:
        worker.join(timeout=30)


def run_woken(row: str) -> None:
    """Let a Celery worker with two processes carry both graphs out, woken by messages."""
    prepare()
    command = [sys.executable, "-m", "celery", "-A", "bench.ours", "worker", "-Q", "control", "-c", "2", "-l", "ERROR", "--without-gossip", "--without-mingle"]  # fmt: skip
    with subprocess.Popen(command) as worker:
        try:
            _both(row, [worker.pid, *map(int, os.environ["BENCH_SERVERS"].split())])
        finally:
            worker.terminate()


def _both(row: str, pids: list[int]) -> None:
    """A first graph warms everything up."""
    for shape, is_shown in (("chain", False), ("chain", True), ("fan", True)):
        measure.clear()
        used, began = measure.cpu_s(os.getpid(), *pids), time.time()
        make(shape)
        measure.wait_for(len(measure.GRAPHS[shape]))
        used = measure.cpu_s(os.getpid(), *pids) - used
        if is_shown:
            measure.show(row, shape, began=began, cpu=used)
        time.sleep(1.0)


def run_backlog(row: str) -> None:
    """Say how many tasks a second one worker ends with few and with many waiting behind, and what a shut agent costs."""
    prepare()
    dag = make("chain")
    Task.objects.filter(dag=dag).update(state="cancelled")
    open_lanes((), queues=["control"])
    rates = {}
    for pending in (1_000, 100_000):
        _fill(dag, pending, lane=Lane.JOB)
        began = time.perf_counter()
        count = run_ready(["control"], worker="bench", stop=_After(400))
        rates[f"tasks_per_s_at_{pending}"] = round(count / (time.perf_counter() - began))
        Task.objects.filter(dag=dag, state="ready").update(state="cancelled")
    _fill(dag, 100_000, lane=Lane.JOB, queue="build")
    Task.objects.filter(dag=dag, state="ready").update(held="", lane="shut")
    _fill(dag, 200, lane=Lane.JOB)
    times = []
    for _ in range(100):
        began = time.perf_counter()
        claim_task(worker="bench")
        times.append((time.perf_counter() - began) * 1_000)
    sys.stdout.write(json.dumps({"row": row, "shape": "backlog", **rates, "claim_behind_shut_p50_ms": round(sorted(times)[50], 2)}) + "\n")  # fmt: skip


class _After(Stop):
    """Set after so many questions."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._left = count

    def is_set(self) -> bool:
        self._left -= 1
        return self._left < 0


def _fill(dag: Dag, count: int, *, lane: str, queue: str = "control") -> None:
    """Put so many ready tasks into a line, past the services: only what a claim costs is measured."""
    new = "gen_random_uuid()" if connection.vendor == "postgresql" else "lower(hex(randomblob(16)))"
    fill, task = str(new_id()), Task.objects.select_related("scope").filter(dag=dag)[0]
    ready = {
        "state": "'ready'",
        "queue": f"'{queue}'",
        "lane": f"'{lane}'",
        "held": "''",
        "fence": "0",
        "open_dependencies": "0",
    }
    _copy(task.scope, count, id=new, ref=f"'{fill}:' || n.i")
    _copy(
        task,
        1,
        id=new,
        key=new,
        scope_id="o.id",
        rank="50 + n.i * 0.001",
        **ready,
        others=f"billing_scope o where o.ref like '{fill}:%%'",
    )
    with connection.cursor() as cursor:
        cursor.execute("analyze")


def _copy(row: Any, count: int, *, others: str = "", **changed: str) -> None:
    """Insert copies of a row with some columns changed."""
    table, names = row._meta.db_table, [field.column for field in row._meta.concrete_fields]
    columns = ", ".join(changed.get(name, f't."{name}"') for name in names)
    listed = ", ".join(f'"{name}"' for name in names)
    source = f"{table} t, n" + (f", {others} and" if others else " where")
    with connection.cursor() as cursor:
        cursor.execute(
            f"with recursive n(i) as (select 1 union all select i + 1 from n where i < {count})"
            f" insert into {table} ({listed}) select {columns} from {source} t.id = %s",
            [row.pk if connection.vendor == "postgresql" else row.pk.hex],
        )


if __name__ == "__main__":
    {"pulled": lambda row: run_pulled(row, processes=2), "alone": lambda row: run_pulled(row, processes=1), "woken": run_woken, "backlog": run_backlog}[sys.argv[1]](sys.argv[2])  # fmt: skip
