"""`make bench-work`: one run over all systems on the same machine, database server and Redis; a table and one line of JSON.

Every store is as durable as it can be: PostgreSQL with fsync and synchronous commit, SQLite with synchronous FULL.
Edges are from the end of the last task waited for to the begin of the next one; tasks per second count from handing the
graph over, its making included; CPU is that of all processes that took part, the servers' too. No edge of ours is
shorter than one write the disk keeps for good: how many of those it does a second stands at the end, with the load.
Of several goes the quickest counts, everyone's alike. Names of rows (`python -m bench.work postgresql canvas`) run those
alone. A bound that is missed is named, and the exit code is 1.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench import measure

ROOT = Path(__file__).resolve().parent.parent
BOUNDS = {
    "fan_postgresql_vs_dbos": (">=", 5.0), "fan_postgresql_vs_canvas": (">=", 5.0), "fan_woken_vs_canvas": (">=", 3.0),
    "ours, postgresql fan cpu ms": ("<=", 2.5), "ours, postgresql chain edge p50 ms": ("<=", 2.0),
    "ours, sqlite chain edge p50 ms": ("<=", 1.0), "ours, postgresql at 100k vs 1k": (">=", 0.8),
    "ours, sqlite at 100k vs 1k": (">=", 0.5), "ours, postgresql claim behind shut ms": ("<=", 3.0),
    "ours, postgresql waiting": (">=", 10_000), "ours, postgresql held by waiting": ("<=", 0),
    "ours, sqlite claim behind shut ms": ("<=", 3.0), "ours, sqlite waiting": (">=", 10_000), "ours, sqlite held by waiting": ("<=", 0),
}  # fmt: skip
"""What must be reached; without its rows a bound is not looked at."""
PEERS = ROOT / "var" / "bench-venv" / "bin" / "python"


def environment(home: Path, **more: str) -> dict[str, str]:
    """Return the environment of a row, with a home of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FACTORY_")}
    return {
        **kept, "FACTORY_MODE": "rehearsal", "FACTORY_HOME": str(home), "BENCH_RECORD": str(home / "record"),
        "BENCH_SERVERS": " ".join(map(str, server_pids())), "PYTHONPATH": str(ROOT), **more,
    }  # fmt: skip


def server_pids() -> list[int]:
    """Return the processes of the two servers of this checkout."""
    folder, ours = str(ROOT / "var" / "services"), []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            words = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            parent = int((place / "stat").read_text().rpartition(") ")[2].split()[1])
        except OSError:
            continue
        port = urlsplit(os.environ.get("FACTORY_REDIS_URL", "")).port
        if (words.startswith(("redis-server", "/usr/bin/redis-server")) and f":{port}" in words) or (
            "postgres -D" in words
            and ("services" in words or folder in words or "factory-" in words)
            and parent
        ):
            ours.append(int(place.name))
    return ours


def rows(home: Path) -> Iterator[tuple[str, list[str], dict[str, str]]]:
    """Yield the name, command and environment of every row."""
    ours = [sys.executable, "-m", "bench.ours"]
    database, redis = os.environ["FACTORY_DATABASE_URL"], os.environ["FACTORY_REDIS_URL"]
    server, _, name = database.rpartition("/")
    plain = environment(home)
    yield "sqlite", [*ours, "alone", "ours, sqlite"], plain
    yield "sqlite-backlog", [*ours, "backlog", "ours, sqlite"], environment(_fresh(home, "backlog"))
    with_pg = environment(_fresh(home, "pg"), FACTORY_DATABASE_URL=f"{server}/{name}_pull")
    yield "postgresql", [*ours, "pulled", "ours, postgresql"], with_pg
    behind = {**with_pg, "FACTORY_DATABASE_URL": f"{server}/{name}_backlog"}
    yield "postgresql-backlog", [*ours, "backlog", "ours, postgresql"], behind
    full = {**with_pg, "FACTORY_DATABASE_URL": f"{server}/{name}_woken", "FACTORY_REDIS_URL": redis}
    yield "woken", [*ours, "woken", "ours, celery-woken"], full
    canvas = {**plain, "BENCH_REDIS": redis.rpartition("/")[0]}
    yield "canvas", [sys.executable, "-m", "bench.canvas"], canvas
    dbos = [str(PEERS), str(ROOT / "bench" / "dbos_rows.py")]
    yield (
        "dbos-postgresql",
        [*dbos, "pg", f"{server.replace('postgres://', 'postgresql+psycopg://')}/{name}_dbos"],
        plain,
    )
    yield "dbos-sqlite", [*dbos, "sqlite", f"sqlite:///{home / 'dbos.sqlite'}"], plain


def _fresh(home: Path, name: str) -> Path:
    made = home / name
    made.mkdir()
    return made


def make_databases() -> None:
    """Make an empty database for every row that wants one."""
    import psycopg  # noqa: PLC0415 (only where there is a server)

    url = os.environ["FACTORY_DATABASE_URL"]
    server, _, name = url.rpartition("/")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
        for row in ("pull", "backlog", "woken", "dbos", "dbos_dbos_sys"):
            admin.execute(f'drop database if exists "{name}_{row}" with (force)'.encode())
            admin.execute(f'create database "{name}_{row}"'.encode())


def run_all(home: Path, *, chosen: Collection[str]) -> list[dict[str, Any]]:
    """Return what every row said; a row that failed says so and the others go on."""
    found = []
    for name, command, env in rows(home):
        if chosen and name not in chosen:
            continue
        done = subprocess.run(
            command, env=env, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=1_800, check=False
        )
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        found += lines
        for line in lines:
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()
        if done.returncode and not lines:
            sys.stdout.write(f"{' '.join(command[-2:])}: failed with {done.returncode}\n")
    return found


def best_of(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return of each row and shape the quickest go."""
    goes: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for line in found:
        goes.setdefault((line["row"], line["shape"]), []).append(line)
    return [max(lines, key=lambda line: float(line.get("tasks_per_s", 0))) for lines in goes.values()]


def ratios(found: list[dict[str, Any]]) -> dict[str, float]:
    """Return how the rows compare."""
    by = {(line["row"], line["shape"]): line for line in found}
    pairs = {
        "fan_postgresql_vs_dbos": ("fan", "ours, postgresql", "dbos children, postgresql"),
        "fan_postgresql_vs_canvas": ("fan", "ours, postgresql", "celery canvas, redis"),
        "fan_woken_vs_canvas": ("fan", "ours, celery-woken", "celery canvas, redis"),
        "chain_sqlite_vs_dbos_sqlite": ("chain", "ours, sqlite", "dbos children, sqlite"),
    }
    said: dict[str, float] = {
        name: by[one, shape]["tasks_per_s"] / by[other, shape]["tasks_per_s"]
        for name, (shape, one, other) in pairs.items()
        if {(one, shape), (other, shape)} <= by.keys()
    }
    for row in ("ours, sqlite", "ours, postgresql"):
        line = by.get((row, "backlog"), {})
        if line:
            said[f"{row} at 100k vs 1k"] = line["tasks_per_s_at_100000"] / line["tasks_per_s_at_1000"]
            said[f"{row} claim behind shut ms"] = line["claim_behind_shut_p50_ms"]
            said[f"{row} waiting"] = line["waiting"]
            said[f"{row} held by waiting"] = line["waiting_hold_workers"] + line["waiting_hold_permits"]
        chain = by.get((row, "chain"), {})
        if chain:
            said[f"{row} chain edge p50 ms"] = chain["edge_p50_ms"]
        fan = by.get((row, "fan"), {})
        if fan:
            said[f"{row} fan cpu ms"] = fan["cpu_ms_per_task"]
    return {name: round(value, 2) for name, value in said.items()}


def missed(said: Mapping[str, float], *, is_whole: bool) -> list[str]:
    """Return in words every bound that these figures miss; of a whole run also what is not among them."""
    within = {"<=": float.__le__, ">=": float.__ge__}
    return [f"{name} was not measured" for name in BOUNDS if is_whole and name not in said] + [
        f"{name} is {said[name]}, not {sign} {bound}"
        for name, (sign, bound) in BOUNDS.items()
        if name in said and not within[sign](float(said[name]), float(bound))
    ]


def main() -> None:
    """Run all rows, print the table, and one line of JSON with how they compare."""
    if not os.environ.get("FACTORY_DATABASE_URL") or not os.environ.get("FACTORY_REDIS_URL"):
        sys.exit('First: scripts/services up; eval "$(scripts/services env bench)"')
    chosen, began = sys.argv[1:], time.monotonic()
    make_databases()
    home = Path(tempfile.mkdtemp(prefix="bench-work-"))
    try:
        found, disk = best_of(run_all(home, chosen=chosen)), measure.syncs_per_s(home)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    sys.stdout.write(
        f"\n{'system':<28}{'shape':<8}{'tasks/s':>9}{'edge p50':>10}{'p99 ms':>9}{'CPU ms/task':>13}\n"
    )
    for line in found:
        if line["shape"] != "backlog":
            sys.stdout.write(
                f"{line['row']:<28}{line['shape']:<8}{line['tasks_per_s']:>9}{line['edge_p50_ms']:>10}{line['edge_p99_ms']:>9}{line['cpu_ms_per_task']:>13}\n"
            )
    figures = ratios(found)
    too_bad = missed(figures, is_whole=not chosen)
    facts = {
        "syncs_per_s": disk,
        "load": round(os.getloadavg()[0], 1),
        "took_s": round(time.monotonic() - began),
    }
    sys.stdout.write(json.dumps({"bench": "work", **figures, "missed": too_bad, **facts}) + "\n")
    sys.exit(bool(too_bad))


if __name__ == "__main__":
    main()
