"""Our rows: the graphs made and carried out by the real services, pulled by processes or woken through Celery.

Also a Celery application: `celery -A bench.ours worker -Q control`.
"""

import json
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "factory.settings")
django.setup()

from django.conf import settings
from django.core.management import call_command
from django.db import connection, connections

from agents.roster.models import Agent
from agents.roster.services import sync_agents
from approvals.models import Request
from bench import measure
from billing.services import factory_scope
from core.adapters.broker import app
from core.ids import new_id
from core.registry import Assignment, Outcome, Question, Stop, TaskSpec, register_action, register_job
from core.services import found_installation
from factory.work import rules
from factory.work.models import Attempt, Dag, Lane, Permit, Task
from factory.work.rules import graphs, pressure
from factory.work.services import claim_task, create_graph, open_lanes, run_ready, set_permits

__all__ = ["app"]
POLL_S = 0.005
BIG, WAITING = 1_000_000, 10_000


@register_job("bench.nothing", quick=True)
def nothing(assignment: Assignment, stop: Stop) -> Outcome:
    """Do nothing, and record it."""
    measure.ran(assignment.title)
    return Outcome(kind="done")


@register_action("bench.answer", schema={"type": "object"}, on_no=lambda arguments, *, decision_id: None)
def answer(arguments: Mapping[str, Any], *, decision_id: UUID) -> None:
    """Nobody answers here."""


@register_job("bench.asks")
def ask(assignment: Assignment, stop: Stop) -> Outcome:
    """Ask the owner."""
    question = Question(
        action="bench.answer", arguments={"task": str(assignment.reuse_key)}, title="May it?", facts={}
    )
    return Outcome(kind="waiting", question=question)


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
    for n, shape in enumerate(("chain", *measure.GOES)):
        measure.clear()
        used, began = measure.cpu_s(os.getpid(), *pids), time.time()
        make(shape)
        measure.wait_for(len(measure.GRAPHS[shape]))
        used = measure.cpu_s(os.getpid(), *pids) - used
        if n:
            measure.show(row, shape, began=began, cpu=used)
        time.sleep(1.0)


def run_backlog(row: str) -> None:
    """Say how many tasks a second one worker ends with few and with many waiting behind, what a shut agent and open questions cost."""
    prepare()
    dag = make("chain")
    Task.objects.filter(dag=dag).update(state="cancelled")
    open_lanes((), queues=["control"])
    said: dict[str, float] = {}
    filled = 0
    for pending in (1_000, 100_000):
        _fill(dag, pending - filled, lane=Lane.JOB)
        filled = pending
        said[f"tasks_per_s_at_{pending}"] = _speed()
    _shut(dag)
    _fill(dag, 300, lane=Lane.JOB)
    said["claim_behind_shut_p50_ms"] = _claim_ms()
    said |= _waiting(dag)
    sys.stdout.write(json.dumps({"row": row, "shape": "backlog", **said}) + "\n")


def _speed() -> float:
    """Return how many tasks a second one worker ends, the best of three goes: the machine is never quite quiet."""
    rates = []
    for _ in range(3):
        began = time.perf_counter()
        count = run_ready(["control"], worker="bench", stop=_After(200))
        rates.append(count / (time.perf_counter() - began))
    return round(max(rates))


def _shut(dag: Dag) -> None:
    """Let everything that is ready stand first in line, in that of an agent who is switched off."""
    sync_agents(settings.DATA_DIR / "agents")
    agent = Agent.objects.order_by("name")[0]
    open_lanes([agent], queues=["control"])
    Agent.objects.filter(pk=agent.pk).update(is_enabled=False)
    ready = Task.objects.filter(dag=dag, state="ready")
    ready.update(lane=agent.pk.hex, agent=agent, kind="agent", rank=0)
    _analyze()


def _claim_ms() -> float:
    """Return how long a claim takes, in the middle of a hundred, the best of three goes."""
    return round(min(sorted(_one_claim_ms() for _ in range(100))[50] for _ in range(3)), 2)


def _one_claim_ms() -> float:
    began = time.perf_counter()
    if claim_task(worker="bench") is None:
        raise SystemExit("nothing was claimed")
    return (time.perf_counter() - began) * 1_000


def _waiting(dag: Dag) -> dict[str, float]:
    """Return what ten thousand tasks hold that wait for an answer, each of which asked for itself."""
    set_permits("queue:control", places=200)
    Task.objects.filter(dag=dag, state="ready").update(state="cancelled", held="")
    _fill(dag, WAITING, lane=Lane.JOB, kind="'bench.asks'")
    began = time.perf_counter()
    run_ready(["control"], worker="bench", stop=Stop())
    took = time.perf_counter() - began
    asked = Task.objects.filter(dag=dag, state="waiting", question__in=Request.objects.waiting().values("pk"))
    held = Permit.objects.filter(holder__isnull=False)
    leased = asked.filter(lease__isnull=False).count()
    permits = held.filter(holder__in=Attempt.objects.filter(task__in=asked).values("pk")).count()
    said = {"waiting": asked.count(), "asked_per_s": round(WAITING / took)}
    return {**said, "waiting_hold_workers": leased, "waiting_hold_permits": permits}


class _After(Stop):
    """Set after so many questions."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._left = count

    def is_set(self) -> bool:
        self._left -= 1
        return self._left < 0


def _fill(dag: Dag, count: int, *, lane: str, **columns: str) -> None:
    """Put so many ready tasks into a line, past the services: only what a claim costs is measured."""
    new = "gen_random_uuid()" if connection.vendor == "postgresql" else "lower(hex(randomblob(16)))"
    fill, task = str(new_id()), Task.objects.select_related("scope").filter(dag=dag)[0]
    ready = {
        "state": "'ready'",
        "queue": "'control'",
        "lane": f"'{lane}'",
        "held": "''",
        "fence": "0",
        "open_dependencies": "0",
        **columns,
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
    _analyze()


def _analyze() -> None:
    """Let the planner know what came, and the server clear what is gone: a database that lives does so by itself."""
    with connection.cursor() as cursor:
        cursor.execute("vacuum analyze" if connection.vendor == "postgresql" else "analyze")


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
