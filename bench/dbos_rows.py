"""DBOS on PostgreSQL or SQLite: a workflow whose children are the tasks, in its own environment: `python bench/dbos_rows.py pg|sqlite URL`."""

import os
import sys
import time

import measure
from dbos import DBOS

ROW = {"pg": "dbos children, postgresql", "sqlite": "dbos children, sqlite"}[sys.argv[1]]
DBOS(config={"name": "bench", "system_database_url": sys.argv[2], "log_level": "ERROR"})


@DBOS.step()
def step(name: str) -> None:
    """Do nothing, and record it."""
    measure.ran(name)


@DBOS.workflow()
def one(name: str) -> None:
    """A task of its own."""
    measure.ran(name)


@DBOS.workflow()
def chain() -> None:
    """One child after the other."""
    for name in measure.GRAPHS["chain"]:
        DBOS.start_workflow(one, name).get_result()


@DBOS.workflow()
def fan() -> None:
    """All children of a stage, then its join."""
    side = []
    for name in measure.GRAPHS["fan"]:
        if not name.endswith("join"):
            side.append(DBOS.start_workflow(one, name))
            continue
        for child in side:
            child.get_result()
        side = []
        step(name)


def main() -> None:
    """Run both graphs."""
    DBOS.launch()
    DBOS.start_workflow(one, "warm").get_result()
    pids = [os.getpid(), *(map(int, os.environ["BENCH_SERVERS"].split()) if sys.argv[1] == "pg" else ())]
    for shape in measure.GOES:
        measure.clear()
        used, began = measure.cpu_s(*pids), time.time()
        DBOS.start_workflow({"chain": chain, "fan": fan}[shape]).get_result()
        measure.show(ROW, shape, began=began, cpu=measure.cpu_s(*pids) - used)


main()
os._exit(0)
