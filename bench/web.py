"""How fast pages are with a past behind them: 10,000 tasks, 1,000 approvals, a million costs.

    make bench-web                  on SQLite, and on PostgreSQL when FACTORY_DATABASE_URL is set, as the target does

Times are the server's: from the request to the whole answer, as one signed-in owner, pages cold to nobody. Beside wall
time stands CPU time, which other processes do not blur, and `slower`: by how much a fixed piece of work, done before each
request, was slower in its slowest twentieth than it usually was beside the page where it was quickest. On a machine that
shares its cores with others it says how much of a bad time is the machine's. Queries are what one request asks the
database. The past is invented once for each database and kept. Prints one table and one line of JSON for both.
"""

import argparse
import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
HOME: Final = ROOT / "var" / "bench-web"
ROUNDS: Final = 100
TARGETS: Final = {"p95_ms": 50, "first_load_kb": 60, "cold_start_s": 5, "idle_rss_mb": 250}
NAMED: Final = ("home", "product", "board", "ledger", "approvals")
"""The pages that must be answered within the limit; the others stand beside them."""
COLUMNS: Final = ("p50_ms", "p95_ms", "slower", "cpu_p50_ms", "queries")


def main() -> int:
    """Measure each database in a process of its own, then a fresh factory; print what was found."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument(
        "--here", action="store_true", help="measure the database of this environment, print JSON"
    )
    asked.add_argument("--rounds", type=int, default=ROUNDS)
    told = asked.parse_args()
    if told.here:
        sys.stdout.write(json.dumps(measure_pages(rounds=told.rounds)) + "\n")
        return 0
    found: dict[str, Any] = {"sqlite": child(told.rounds, home=HOME / "sqlite", url="")}
    if url := os.environ.get("FACTORY_DATABASE_URL", ""):
        found["postgresql"] = child(told.rounds, home=HOME / "postgresql", url=url)
    found["start"] = measure_start(HOME / "start")
    report(found)
    return 0


def child(rounds: int, *, home: Path, url: str) -> dict[str, Any]:
    """Fill a home once, measure it in a fresh process, and return what it found."""
    environment = environment_of(home, url=url)
    run([*MANAGE, "factory", "prepare"], environment)
    filled = subprocess.run([*MANAGE, "factory", "seed"], env=environment, capture_output=True, text=True, check=False, cwd=ROOT)  # fmt: skip
    if filled.returncode and "has a past already" not in filled.stdout + filled.stderr:
        sys.exit(filled.stdout + filled.stderr)
    if url:
        tidy(url)
    said = run([sys.executable, __file__, "--here", "--rounds", str(rounds)], environment)
    answer: dict[str, Any] = json.loads(said.splitlines()[-1])
    return answer


def tidy(url: str) -> None:
    """Let the server clear up after a million new rows before, not while pages are measured: one that lives has done so."""
    import psycopg  # noqa: PLC0415 (only where there is a server)

    with psycopg.connect(url, autocommit=True) as server:
        server.execute("vacuum analyze")
        with suppress(psycopg.errors.InsufficientPrivilege):
            server.execute("checkpoint")
    os.sync()


MANAGE: Final = (sys.executable, str(ROOT / "manage.py"))


def environment_of(home: Path, *, url: str) -> dict[str, str]:
    """Return an environment for a rehearsal in this home; the database is the one of `url`, or a file."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FACTORY_")}
    home.mkdir(parents=True, exist_ok=True)
    said = {"FACTORY_MODE": "rehearsal", "FACTORY_HOME": str(home), "FACTORY_LOG_LEVEL": "ERROR"}
    return {**kept, **said, **({"FACTORY_DATABASE_URL": url} if url else {})}


def run(command: list[str], environment: dict[str, str]) -> str:
    """Run one command to its end and return what it printed."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return done.stdout


def measure_pages(*, rounds: int) -> dict[str, Any]:
    """Return for each page its times, queries and size."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "factory.settings")
    sys.path.insert(0, str(ROOT))
    from django.conf import settings  # noqa: PLC0415
    from django.contrib.staticfiles import finders  # noqa: PLC0415
    from django.db import connection  # noqa: PLC0415
    from django.test import Client  # noqa: PLC0415
    from django.test.utils import CaptureQueriesContext  # noqa: PLC0415

    import factory.asgi  # noqa: F401, PLC0415 (as the process that serves; only the one that measures has a database)
    from core.models import User  # noqa: PLC0415

    settings.ALLOWED_HOSTS = ["testserver"]
    client = Client()
    client.force_login(User.objects.filter(role=User.Role.OWNER).earliest("date_joined"))
    pages = {}
    for name, address in addresses().items():
        body = client.get(address).content
        with CaptureQueriesContext(connection) as seen:
            client.get(address)
        queries = len(seen)
        pages[name] = {
            **times(lambda address=address: client.get(address), rounds=rounds),  # type: ignore[misc]
            "queries": queries,
            "html_gz_kb": round(len(gzip.compress(body)) / 1024, 1),
        }
    usual = min(page["paces_ms"][0] for page in pages.values())
    for page in pages.values():
        page["slower"] = round(page.pop("paces_ms")[1] / usual, 2)
    assets = [
        Path(str(finders.find(name)))
        for name in ("tokens.css", "app.css", "live.js", "favicon.svg", "django_htmx/htmx.min.js")
    ]
    first = [client.get("/").content, *(path.read_bytes() for path in assets if path.is_file())]
    return {"pages": pages, "first_load_kb": round(sum(len(gzip.compress(one)) for one in first) / 1024, 1)}  # fmt: skip


def addresses() -> dict[str, str]:
    """Return where each page is; the product is the oldest that users meet, and its story is the trace."""
    from django.urls import reverse  # noqa: PLC0415 (the models are ready from `measure_pages` on)

    from portfolio.models import Product  # noqa: PLC0415

    product = Product.objects.filter(stage="grow").earliest("opened_at")
    ledger = reverse("ledger")
    return {
        "home": reverse("home"),
        "product": reverse("venture", args=[product.slug]),
        "board": reverse("ventures"),
        "ledger": ledger,
        "ledger, all days": f"{ledger}?days=all",
        "approvals": reverse("decisions"),
        "money": reverse("money"),
        "work": reverse("work"),
        "agents": reverse("agents"),
        "calls": reverse("calls"),
        "trace of 1,000 spans": reverse("trace", args=[product.correlation_id]),
    }


def times(get: Callable[[], object], *, rounds: int) -> dict[str, Any]:
    """Return the middle and the slowest twentieth of these rounds, in milliseconds of wall and of CPU time.

    `paces_ms` has the same two of a fixed piece of work done before each of them.
    """
    wall, cpu, pace = [], [], []
    for _ in range(rounds):
        pace.append(fixed_work_ms())
        began, used = time.perf_counter(), time.process_time()
        get()
        wall.append(1000 * (time.perf_counter() - began))
        cpu.append(1000 * (time.process_time() - used))
    return {
        "p50_ms": round(quantiles(wall, n=20)[9], 1),
        "p95_ms": round(quantiles(wall, n=20)[18], 1),
        "cpu_p50_ms": round(quantiles(cpu, n=20)[9], 1),
        "cpu_p95_ms": round(quantiles(cpu, n=20)[18], 1),
        "paces_ms": (median(pace), quantiles(pace, n=20)[18]),
    }


WORDS: Final = {f"name {number}": number for number in range(2_000)}


def fixed_work_ms() -> float:
    """Do what pages do most, look up names and put text together, and say how long it took; it leaves nothing to clear up."""
    began = time.perf_counter()
    "".join(f"<li>{name}: {WORDS[name]}</li>" for name in WORDS)
    return 1000 * (time.perf_counter() - began)


def measure_start(home: Path) -> dict[str, float]:
    """Return how long a prepared factory takes to answer its first page, and what it holds in memory when idle."""
    environment = environment_of(home, url="")
    run([*MANAGE, "factory", "prepare"], environment)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    began = time.perf_counter()
    command = [*MANAGE, "factory", "run", "--quiet", "--port", str(port)]
    factory = subprocess.Popen(command, env=environment, cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        while not answers(port):
            if factory.poll() is not None or time.perf_counter() - began > 60:
                sys.exit("the factory did not start")
            time.sleep(0.02)
        took = time.perf_counter() - began
        time.sleep(8)
        return {"cold_start_s": round(took, 2), "idle_rss_mb": round(rss_mb(factory.pid), 1)}
    finally:
        factory.send_signal(signal.SIGTERM)
        factory.wait(timeout=60)
        run([*MANAGE, "factory", "close"], environment)


def answers(port: int) -> bool:
    """Say whether the sign-in page is there."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as door:
            door.sendall(b"GET /login/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return door.recv(15).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def rss_mb(pid: int) -> float:
    """Return what a process holds in memory."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def report(found: dict[str, Any]) -> None:
    """Print the table and the line."""
    sys.path.insert(0, str(ROOT))
    from rich.console import Console  # noqa: PLC0415 (the measuring process needs no tables)
    from rich.table import Table  # noqa: PLC0415

    databases = [name for name in ("sqlite", "postgresql") if name in found]
    table = Table("page", title=f"{' and '.join(databases)}, load {os.getloadavg()[0]:.1f}", box=None)
    for column in [f"{database} {column}" for database in databases for column in COLUMNS]:
        table.add_column(column, justify="right")
    table.add_column("html gz KB", justify="right")
    for name, row in found["sqlite"]["pages"].items():
        cells = [str(found[each]["pages"][name][column]) for each in databases for column in COLUMNS]
        table.add_row(name, *cells, str(row["html_gz_kb"]))
    Console(width=max(150, Console().width)).print(table)
    slow = [
        f"{name} {row['p95_ms']} ms on {database}"
        for database in databases
        for name, row in found[database]["pages"].items()
        if name in NAMED and row["p95_ms"] >= TARGETS["p95_ms"]
    ]
    sys.stdout.write(f"above {TARGETS['p95_ms']} ms: {', '.join(slow) or 'none of ' + ', '.join(NAMED)}\n")
    start, first = found["start"], found["sqlite"]["first_load_kb"]
    sys.stdout.write(
        f"first load {first} KB gzipped; cold start {start['cold_start_s']} s; idle {start['idle_rss_mb']} MB; targets {TARGETS}\n"
    )
    sys.stdout.write(json.dumps({"bench": "web", "targets": TARGETS, **found}) + "\n")


if __name__ == "__main__":
    sys.exit(main())
