"""What all rows of the benchmark share: two graphs of tasks that do nothing, a record of when each ran, CPU of processes.

Stands on the standard library alone: the rows of other systems run it under their own interpreters.
"""

import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path

Graph = Mapping[str, tuple[str, ...]]
"""From each task, the tasks it waits for."""
TICK = os.sysconf("SC_CLK_TCK")


def chain(length: int = 200) -> dict[str, tuple[str, ...]]:
    """Return tasks in one row."""
    return {f"c{n:03}": (f"c{n - 1:03}",) if n else () for n in range(length)}


def fan(stages: int = 10, width: int = 100) -> dict[str, tuple[str, ...]]:
    """Return stages of `width` tasks side by side and one that joins them, stage after stage."""
    graph: dict[str, tuple[str, ...]] = {}
    for stage in range(stages):
        before = (f"s{stage - 1:02}join",) if stage else ()
        side = tuple(f"s{stage:02}x{n:03}" for n in range(width))
        graph |= dict.fromkeys(side, before)
        graph[f"s{stage:02}join"] = side
    return graph


GRAPHS = {"chain": chain(), "fan": fan()}
GOES = ("chain", "chain", "chain", "fan")
"""What every system runs once it is warm; of several goes the quickest counts: the machine is never quite quiet."""
_files: dict[int, int] = {}


def ran(name: str) -> None:
    """Record that a task ran, in one write that survives whatever follows."""
    began = time.time()
    file = _files.get(os.getpid())
    if file is None:
        file = _files[os.getpid()] = os.open(
            os.environ["BENCH_RECORD"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644
        )
    os.write(file, f"{name} {began!r} {time.time()!r}\n".encode())


def clear() -> None:
    """Forget what was recorded."""
    Path(os.environ["BENCH_RECORD"]).write_text("")


def wait_for(count: int, *, at_most_s: float = 300.0) -> bool:
    """Wait until so many tasks are recorded."""
    record, until = Path(os.environ["BENCH_RECORD"]), time.monotonic() + at_most_s
    while time.monotonic() < until:
        if record.read_bytes().count(b"\n") >= count:
            return True
        time.sleep(0.02)
    return False


def cpu_s(*pids: int) -> float:
    """Return the CPU seconds of these processes, of what they started and of what ended among that."""
    children: dict[int, list[int]] = {}
    used: dict[int, float] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(") ")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(folder.name))
        used[int(folder.name)] = sum(map(int, fields[11:15])) / TICK
    todo, total = list(pids), 0.0
    while todo:
        pid = todo.pop()
        total += used.get(pid, 0.0)
        todo += children.get(pid, [])
    return total


def syncs_per_s(folder: Path, *, seconds: float = 0.5) -> dict[str, int]:
    """Return how often a second this disk keeps 8 kB for good, both ways a database may ask it to: the bound of every edge."""
    size, room = 8_192, 4 << 20
    said = {}
    for way, flag in (("fdatasync", 0), ("open_datasync", os.O_DSYNC)):
        file = os.open(folder / way, os.O_RDWR | os.O_CREAT | flag, 0o600)
        os.pwrite(file, bytes(room), 0)
        os.fsync(file)
        until, count = time.perf_counter() + seconds, 0
        while time.perf_counter() < until:
            os.pwrite(file, bytes(size), count * size % room)
            if not flag:
                os.fdatasync(file)
            count += 1
        os.close(file)
        said[way] = round(count / seconds)
    return said


def show(row: str, shape: str, *, began: float, cpu: float) -> None:
    """Print what the record says about one run, as one line of JSON.

    Args:
        row: the system.
        shape: `chain` or `fan`.
        began: when the graph was handed over, to be made and carried out.
        cpu: CPU seconds of all processes that took part, servers too.
    """
    graph = GRAPHS[shape]
    start: dict[str, float] = {}
    end: dict[str, float] = {}
    for line in Path(os.environ["BENCH_RECORD"]).read_text().splitlines():
        name, first, last = line.split()
        start.setdefault(name, float(first))
        end[name] = float(last)
    edges = sorted(
        (start[name] - max(end[one] for one in before)) * 1_000
        for name, before in graph.items()
        if before and name in start and all(one in end for one in before)
    )
    sys.stdout.write(
        json.dumps(
            {
                "row": row, "shape": shape, "ran": len(end), "of": len(graph),
                "tasks_per_s": round(len(end) / (max(end.values()) - began), 1),
                "edge_p50_ms": round(edges[len(edges) // 2], 2), "edge_p99_ms": round(edges[int(len(edges) * 0.99)], 2),
                "cpu_ms_per_task": round(cpu * 1_000 / len(end), 2),
            }
        )
        + "\n"
    )  # fmt: skip
    sys.stdout.flush()
