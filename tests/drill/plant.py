"""The factory of a drill: one process or several, each of which can be killed and started again by itself."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx
import psycopg
from psycopg.rows import dict_row

from tests.flows.stack import PATIENCE_S, ROOT, Row, Stack, free_port, say

FULL = {
    "web": ("web",),
    "worker-1": ("worker", "--queues", "cloud,build", "--at-once", "2"),
    "worker-2": ("worker", "--queues", "cloud,build,control,notify", "--at-once", "2"),
    "beat": ("beat",),
}
EMBEDDED = {"factoryd": ("run",)}
DOORS = frozenset({"web", "factoryd"})
SERVED = {"postgres": "postgres_port", "redis": "redis_port"}


@dataclass
class Plant(Stack):
    """A factory whose parts are children of ours.

    Attributes:
        lease_s: how long a silent worker keeps its task.
        parts: the processes by name.
        skewed: for a part, how far its clock is off, as `faketime` says it.
    """

    lease_s: int = 10
    profile: str = "embedded"
    parts: "dict[str, subprocess.Popen[bytes]]" = field(default_factory=dict)
    skewed: dict[str, str] = field(default_factory=dict)

    @property
    def commands(self) -> dict[str, tuple[str, ...]]:
        """Return the verb and its words by part."""
        return FULL if self.profile == "full" else EMBEDDED

    @property
    def environment(self) -> dict[str, str]:
        """What every process of this factory is started with."""
        return {**super().environment, "FACTORY_LEASE_S": str(self.lease_s)}

    def start(self) -> Self:
        """Run every part and wait until the pages answer."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.port = self.port or free_port()
        if self.profile == "full":
            self._prepare()
        for name in self.commands:
            self.start_part(name)
        self.until(self.answers, what="the pages")
        return self

    def _prepare(self) -> None:
        done = say(self.command("factory", "prepare"), env=self.environment)
        assert done.code == 0, done.sentence
        (self.home / "said.txt").write_text(done.out)

    def start_part(self, name: str) -> None:
        """Run one part."""
        words = self.commands[name]
        port = ("--port", str(self.port)) if name in DOORS else ()
        clock = ("faketime", "-f", self.skewed[name]) if name in self.skewed else ()
        with (self.home / "said.txt").open("ab") as out, (self.home / f"{name}.log").open("ab") as log:
            self.parts[name] = subprocess.Popen(  # noqa: S603 (our own commands)
                [*clock, *self.command("factory", *words, *port)],
                env=self.environment, cwd="/", stdout=out, stderr=log, start_new_session=True,
            )  # fmt: skip

    def kill_part(self, name: str) -> set[int]:
        """End one part with every process it forked, as the kernel does when memory is short; return their numbers."""
        part = self.parts.pop(name)
        gone = {part.pid, *children_of(part.pid)}
        os.killpg(part.pid, signal.SIGKILL)
        part.wait(timeout=PATIENCE_S)
        return gone

    def answers(self) -> bool:
        """Say whether the pages answer."""
        try:
            return httpx.get(f"{self.address}/login/", timeout=10, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    def rows(self, question: str, *values: object) -> list[Row]:
        """Ask the database, from outside and without a way to write."""
        if self.profile != "full":
            return super().rows(question, *values)
        url = self.more["FACTORY_DATABASE_URL"]
        with psycopg.connect(url, row_factory=dict_row, autocommit=True) as database:
            cursor = database.execute(question.replace("?", "%s"), values or None)  # type: ignore[arg-type]
            return [dict(row) for row in cursor]

    def close(self) -> None:
        """End every part, then products and edge."""
        for name in list(self.parts):
            self.kill_part(name)
        super().close()


def children_of(pid: int) -> set[int]:
    """Return every process below this one."""
    below: set[int] = set()
    fresh = {pid}
    while fresh:
        parents = fresh
        fresh = {child for child, parent in parents_by_process() if parent in parents} - below
        below |= fresh
    return below


def parents_by_process() -> Iterator[tuple[int, int]]:
    """Yield each process of this machine and its parent."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        yield int(stat.parent.name), int(words[1])


def processes_with(*words: str) -> list[int]:
    """Return the processes whose command line holds all of these words."""
    found = []
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            said = line.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if all(word in said for word in words) and int(line.parent.name) != os.getpid():
            found.append(int(line.parent.name))
    return found


@dataclass(frozen=True)
class Services:
    """PostgreSQL and Redis of this checkout, as `scripts/services` runs them."""

    script: Path = ROOT / "scripts" / "services"

    def up(self) -> dict[str, str]:
        """Start what does not run; return the two settings."""
        self._say("up")
        return dict(re.findall(r"(FACTORY_\w+)=(\S+)", self._say("env")))

    def _say(self, word: str) -> str:
        done = subprocess.run(  # noqa: S603 (our own script)
            [str(self.script), word], capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def kill(self, name: str) -> None:
        """End one of them with everything it forked."""
        port = (self.script.parents[1] / "var" / "services" / SERVED[name]).read_text().strip()
        first = [pid for pid in processes_with(name) if f":{port}" in command_of(pid) or port in command_of(pid)]
        assert first, f"{name} does not run"
        for pid in {*first, *(child for one in first for child in children_of(one))}:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


def command_of(pid: int) -> str:
    """Return the command line of a process; empty when it is gone."""
    try:
        return (Path("/proc") / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def fresh_database(url: str, name: str) -> str:
    """Return the address of a new, empty database beside the one at `url`."""
    with psycopg.connect(url, autocommit=True) as database:
        database.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')  # type: ignore[arg-type]
        database.execute(f'CREATE DATABASE "{name}"')  # type: ignore[arg-type]
    return url.rpartition("/")[0] + f"/{name}"


def stop_for(pids: Sequence[int], *, seconds: float) -> None:
    """Let processes stand still for a while, as on a host that is cut off."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(seconds)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)


