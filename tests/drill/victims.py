"""Who can be killed, how to find them, and how they come back."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from factory.delivery.adapters.keeper import Keeper
from tests.flows.stack import PATIENCE_S, ROOT, Stack

PROC: Final = Path("/proc")
CLOCK: Final = Path(__file__).parent / "clock"
EDGE: Final = ("keeper", "guard", "proxy", "product")
EMBEDDED: Final = ("factoryd", "rehearsal", *EDGE)
FULL: Final = ("web", "worker", "worker-2", "child", "beat", "redis", "postgres", "rehearsal", *EDGE)
HELD: Final = "SELECT id, lease, leased_to, failures FROM work_task WHERE lease IS NOT NULL"
GONE_S: Final = 5.0
SERVICES: Final = ("redis", "postgres")
CUT_USERS_OFF: Final = frozenset({"guard", "proxy", "product"})
"""Only with these may a user lose what was in flight."""
SECOND: Final = ("worker", "--queues", "cloud,build,control,notify")


@dataclass(frozen=True)
class Death:
    """One blow: the signal was sent at `began`, and at `ended` nothing of them was alive (monotonic seconds)."""

    victim: str
    pids: frozenset[int]
    began: float
    ended: float


@dataclass
class Targets:
    """The processes of one factory, and of the servers it stands on.

    Attributes:
        users_at: the port whose proxy is struck.
    """

    stack: Stack
    users_at: int | None = None
    script: Path = ROOT / "scripts" / "services"
    clocks: dict[str, float] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """Return who can be killed."""
        return FULL if self.stack.profile == "full" else EMBEDDED

    def strike(self, name: str) -> Death:
        """End somebody at once, with all they forked; return when they are gone."""
        gone = self.of(name)
        began = time.monotonic()
        for pid in sorted(gone):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if name in self.stack.children:
            self.stack.children.pop(name).wait(timeout=PATIENCE_S)
        while any(is_alive(pid) for pid in gone) and time.monotonic() < began + GONE_S:
            time.sleep(0.001)
        return Death(name, frozenset(gone), began, time.monotonic())

    def of(self, name: str) -> set[int]:
        """Return the processes behind a name; empty when there is none just now."""
        if name in self.stack.children:
            first = self.stack.children[name].pid
            return {first, *below(first)}
        if name in SERVICES:
            return server_on(self._port_of(name))
        if name in EDGE:
            return self._edge(name)
        ours = [pid for child in self.stack.children.values() for pid in below(child.pid)]
        word = {"rehearsal": "rehearsal/serve.py", "child": "celery"}[name]
        found = [pid for pid in ours if word in command_of(pid)]
        return set([*found, *(self._with_a_task(found) if name == "child" else ())][-1:])

    def _with_a_task(self, pids: list[int]) -> list[int]:
        """Return those of these processes that hold a task."""
        hands = " ".join(row["leased_to"] for row in self.stack.rows(HELD))
        return [pid for pid in pids if f":{pid}:" in hands]

    def _edge(self, name: str) -> set[int]:
        state = Keeper(self.stack.home / "edge").state()
        if name == "product":
            return {launch.pid for launch in state.launches.values() if launch.pid}
        proxy = next((site.proxy_pid for site in state.sites.values() if site.port == self.users_at), None)
        pid = {"keeper": state.keeper_pid, "guard": parent_of(state.keeper_pid), "proxy": proxy}[name]
        return {pid} if pid and "edge" in command_of(pid) else set()  # who lost its parent has a stranger's

    def start_again(self, name: str) -> None:
        """Do what a service manager does for those who do not come back by themselves."""
        port = ("--port", str(self.stack.port))
        commands = {
            "factoryd": ("run", *port), "web": ("web", *port), "worker": ("worker",), "worker-2": SECOND, "beat": ("beat",),
        }  # fmt: skip
        if name in commands:
            self.stack.run(name, *commands[name], **clock(self.clocks.get(name, 0.0)))
        elif name in SERVICES:
            self.services("up")

    def services(self, word: str) -> None:
        """Start or stop PostgreSQL and Redis of this checkout."""
        done = subprocess.run(  # noqa: S603 (our own script)
            [str(self.script), word], capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
        assert done.returncode == 0, done.stderr

    def _port_of(self, name: str) -> str:
        return (ROOT / "var" / "services" / f"{name}_port").read_text().strip()


def clock(skew_s: float) -> dict[str, str]:
    """Return the environment in which a process sees a clock that is off by so many seconds."""
    return {"PYTHONPATH": str(CLOCK), "DRILL_CLOCK_S": str(skew_s)} if skew_s else {}


def below(pid: int) -> set[int]:
    """Return every process that came from this one."""
    found: set[int] = set()
    fresh = {pid}
    while fresh:
        fresh = {child for child, parent in with_parents() if parent in fresh} - found
        found |= fresh
    return found


def is_alive(pid: int) -> bool:
    """Say whether a process still runs; a corpse does not."""
    with suppress(OSError):
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def with_parents() -> Iterator[tuple[int, int]]:
    """Yield each process of this machine with its parent."""
    for stat in PROC.glob("[0-9]*/stat"):
        with suppress(OSError):
            yield int(stat.parent.name), int(stat.read_text().rpartition(")")[2].split()[1])


def parent_of(pid: int) -> int:
    """Return the parent of a process; 0 when it is gone."""
    with suppress(OSError):
        return int((PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[1])
    return 0


def command_of(pid: int) -> str:
    """Return the command line of a process; empty when it is gone."""
    with suppress(OSError):
        return (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""


def server_on(port: str) -> set[int]:
    """Return the server with this port in its command line, and what it forked."""
    everyone = [pid for pid, _ in with_parents() if pid != os.getpid()]
    first = [
        pid
        for pid in everyone
        if command_of(pid).startswith(("redis-server", "/usr/lib/postgresql")) and port in command_of(pid)
    ]
    return {*first, *(child for pid in first for child in below(pid))}
