"""What the money benchmarks share: a fresh database with the full schema, payers, processes, and a call to a real server."""

import http.client
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

HOME = Path(__file__).parents[1] / "var" / "money"
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "factory.settings")
os.environ["FACTORY_MODE"] = "rehearsal"
os.environ["FACTORY_LOG_LEVEL"] = "ERROR"
os.environ.setdefault(
    "FACTORY_HOME", str(HOME / ("full" if os.environ.get("FACTORY_DATABASE_URL") else "embedded"))
)
if not os.environ.get("FACTORY_DATABASE_URL"):
    shutil.rmtree(os.environ["FACTORY_HOME"], ignore_errors=True)

import django

django.setup()

from django.core.management import call_command
from django.db import connection, connections

from billing.models import Scope
from billing.services import factory_scope, open_scope, set_limit, team_scope
from core.adapters.database import forget_rows
from core.services import found_installation

DAY_MOST = 3_000_000_000
BIG = 10**12
PRICE = (3, 15)
"""Micro-dollars for a token read and a token written: what the fault server bills unless it is told otherwise."""
MOST_READ = 200
"""Tokens that no request of ours reaches."""


@dataclass(frozen=True)
class Payers:
    """Scopes that calls draw on."""

    agents: tuple[UUID, ...]
    products: tuple[UUID, ...]
    tasks: tuple[UUID, ...]


def fresh_ground() -> None:
    """Make the database new; one that is not ours alone is left alone."""
    if connection.vendor == "postgresql":
        if not str(connection.settings_dict["NAME"]).endswith("_money"):
            sys.exit("This forgets every row: give it a database whose name ends in _money.")
        forget_rows()
    call_command("migrate", verbosity=0)
    found_installation("rehearsal")


def open_payers(*, agents: int, products: int, tasks: int, name: str = "", **caps: int) -> Payers:
    """Return payers of which nothing was spent; `caps` by kind, in micro-dollars: what is not named is as good as endless."""
    set_limit(factory_scope(), period="day", cap_microusd=DAY_MOST)
    set_limit(factory_scope(), period="month", cap_microusd=BIG)
    teams = [
        _capped(team_scope(team), day=DAY_MOST) for team in ("build", "discovery", "growth", "operations")
    ]
    _capped(open_scope(kind="tier", ref="mid", label="Mid models"), day=DAY_MOST)
    staff = [
        _capped(
            open_scope(kind="agent", ref=f"{name}A{n}", label=f"Agent {n}", parent=teams[n % 4]),
            day=caps.get("agent", DAY_MOST), call=DAY_MOST,
        )
        for n in range(agents)
    ]  # fmt: skip
    return Payers(
        agents=tuple(one.id for one in staff),
        products=_many("product", products, name, life=caps.get("product", BIG), day=DAY_MOST),
        tasks=_many("task", tasks, name, life=caps.get("task", BIG)),
    )


def _many(kind: str, count: int, name: str, **caps: int) -> tuple[UUID, ...]:
    return tuple(
        _capped(open_scope(kind=kind, ref=f"{name}{kind}{n}", label=f"{kind.capitalize()} {n}"), **caps).id
        for n in range(count)
    )


def _capped(scope: Scope, **caps: int) -> Scope:
    for period, cap in caps.items():
        set_limit(scope, period=period, cap_microusd=cap)
    return scope


def fork(work: Callable[[], None]) -> int:
    """Do `work` in a process of its own and return its number; it shares no connection with us."""
    forget_connections()
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    try:
        work()
        os._exit(0)
    except BaseException as error:  # noqa: BLE001 (a child's outermost frame: it must never return into the parent's)
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        os._exit(1)


def forget_connections() -> None:
    """Close what must not be shared with a child."""
    connections.close_all()
    if pooled := getattr(connection, "close_pool", None):  # PostgreSQL's alone
        pooled()


def wait_all(pids: Sequence[int]) -> None:
    """Wait for all of these children; one that failed ends us."""
    for pid in pids:
        _, status = os.waitpid(pid, 0)
        if status and os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
            sys.exit("A child failed.")


@dataclass
class Line:
    """One kept connection to the server; `wait_s` without an answer counts as silence."""

    url: str
    wait_s: float = 5.0
    _open: http.client.HTTPConnection | None = None

    def ask(self, *, tag: str, model: str, max_tokens: int) -> tuple[int, dict[str, Any]]:
        """Return status and body.

        Raises:
            OSError, http.client.HTTPException, ValueError: no whole answer came.
        """
        body = {
            "model": model,
            "max_tokens": max_tokens,
            "messages": [{"role": "user", "content": f"call:{tag}"}],
        }
        try:
            if self._open is None:
                place = urlsplit(self.url)
                self._open = http.client.HTTPConnection(place.hostname or "", place.port, timeout=self.wait_s)
            self._open.request(
                "POST", "/v1/chat/completions", json.dumps(body), {"content-type": "application/json"}
            )
            answer = self._open.getresponse()
            said = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError):
            self.close()
            raise
        return answer.status, said

    def close(self) -> None:
        """Begin anew at the next question."""
        if self._open is not None:
            self._open.close()
        self._open = None


def cost_of(said: dict[str, Any]) -> int | None:
    """Return what an answer costs by its own usage; None: it says none."""
    usage = said.get("usage")
    if not usage:
        return None
    return int(usage["prompt_tokens"]) * PRICE[0] + int(usage["completion_tokens"]) * PRICE[1]


def bound_of(max_tokens: int) -> int:
    """Return the most a call may cost."""
    return MOST_READ * PRICE[0] + max_tokens * PRICE[1]


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that this share of all does not pass."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def now() -> float:
    """Return seconds that only run forward."""
    return time.perf_counter()
