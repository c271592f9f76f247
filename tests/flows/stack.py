"""A factory of one's own, run as people run it: a child process in a home of its own, watched from outside."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx

from core.adapters.tls import trusted
from factory.delivery.adapters.keeper import Keeper
from factory.delivery.errors import EdgeUnavailable
from factory.delivery.ports import Table
from tests.flows.databases import Database, File, Row, Server, is_full
from tests.flows.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
PASSED_ON = ("PATH", "LANG", "TZ", "TMPDIR", "HOME", "FACTORY_SHARED")
__all__ = ["ROOT", "Row", "Said", "Stack", "a_stack", "free_port"]
PATIENCE_S = 600
"""How long anything may take on a machine with other things to do; a quiet one needs a tenth."""
LINK = re.compile(r"http://localhost:\d+(/join/\S+/)")


@dataclass(frozen=True)
class Said:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def sentence(self) -> str:
        """Everything it said to a person, in one line."""
        return " ".join((self.out + self.err).split())


def say(command: Sequence[str], *, env: Mapping[str, str]) -> Said:
    """Run a command to its end in a folder that is not ours."""
    done = subprocess.run(  # noqa: S603 (our own commands)
        command, env=env, cwd="/", capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    return Said(done.returncode, done.stdout, done.stderr)


def passed_on() -> dict[str, str]:
    """Return the part of our environment that a factory may see: no key, no setting of whoever runs the tests."""
    return {name: os.environ[name] for name in PASSED_ON if name in os.environ}


@dataclass
class Stack:
    """One factory: its home, its database, its environment, and the processes that run it while it runs.

    In the embedded profile there is one process, `factoryd`; in the full one `web`, `worker` and `beat`, and more
    of them where a test adds some. Which one a test gets says whoever runs it, by giving it services or not.
    """

    home: Path
    seed: str = "7:clean"
    more: dict[str, str] = field(default_factory=dict)
    worker_threads: int = 3
    root: Path = ROOT
    profile: str = field(default_factory=lambda: "full" if is_full() else "embedded")
    children: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    port: int = 0
    kept_in: Database | None = None

    @property
    def database(self) -> Database:
        """Where its rows are; made when it is first asked for."""
        if self.kept_in is None:
            self.kept_in = Server.fresh() if self.profile == "full" else File(self.home)
        return self.kept_in

    @property
    def environment(self) -> dict[str, str]:
        """What every process of this factory is started with."""
        ours = {
            "FACTORY_HOME": str(self.home),
            "FACTORY_MODE": "rehearsal",
            "FACTORY_REHEARSAL_SEED": self.seed,
            "FACTORY_WORKER_THREADS": str(self.worker_threads),
        }
        ports = {"FACTORY_PRODUCT_PORTS": product_ports()}
        return {**passed_on(), **ports, **self.database.settings, **ours, **self.more}

    @property
    def address(self) -> str:
        """Where its pages are."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def front(self) -> str:
        """Return the name of the process that serves the pages."""
        return "web" if self.profile == "full" else "factoryd"

    def command(self, *words: str) -> list[str]:
        """Return the command line of one verb."""
        return [sys.executable, str(self.root / "manage.py"), *words]

    def cli(self, *words: str) -> Said:
        """Carry out one verb from another folder, as a person at a terminal does."""
        return say(self.command("factory", *words), env=self.environment)

    def python(self, code: str) -> Any:
        """Let Python code run inside this factory's Django; return the JSON that its last line printed."""
        done = say(self.command("shell", "--no-imports", "-c", code), env=self.environment)
        assert done.code == 0, done.err
        return json.loads(done.out.splitlines()[-1]) if done.out.strip() else None

    def start(self) -> Self:
        """Run the factory and wait until its pages answer and its workers say that they are there.

        One that is still on its way up dies of the signal that asks it to end.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        self.database.fill()
        self.port = self.port or free_port()
        if self.profile == "full":
            self.run("prepare", "prepare")
            assert self.children.pop("prepare").wait(timeout=PATIENCE_S) == 0, self.last_words()
            self.run("web", "web", "--port", str(self.port))
            self.run("beat", "beat")
            self.run("worker", "worker")
        else:
            self.run("factoryd", "run", "--port", str(self.port))
        self.until(self.answers, what="the pages")
        self.until(self.is_up, what="its processes")
        return self

    def is_up(self) -> bool:
        """Say whether those that have a row of their own wrote it; beat, which began before the worker, has none."""
        named = ":".join(row["name"] for row in self.rows("SELECT name FROM core_process")).split(":")
        return all(str(child.pid) in named for name, child in self.children.items() if name != "beat")

    def run(self, name: str, *words: str, **more: str) -> None:
        """Start one process of this factory under a name of its own; `more` is added to its environment."""
        with (self.home / "said.txt").open("ab") as out, (self.home / "factoryd.log").open("ab") as log:
            self.children[name] = subprocess.Popen(  # noqa: S603 (our own command)
                self.command("factory", *words),
                env={**self.environment, **more},
                cwd="/",
                stdout=out,
                stderr=log,
            )

    def answers(self) -> bool:
        """Say whether the pages answer."""
        assert self.children[self.front].poll() is None, self.last_words()
        try:
            return (
                httpx.get(f"{self.address}/login/", timeout=10, trust_env=False, verify=trusted()).status_code
                == 200
            )
        except httpx.TransportError:
            return False

    def last_words(self) -> str:
        """Return the end of its log."""
        return (self.home / "factoryd.log").read_text()[-3000:]

    def kill(self, name: str = "") -> None:
        """End one process, or the whole factory, as a power cut would; products and edge go on."""
        self._end(signal.SIGKILL, name)

    def stop(self, name: str = "") -> set[int]:
        """Ask one process, or the whole factory, to end; return the exit codes."""
        return self._end(signal.SIGTERM, name)

    def _end(self, number: int, name: str = "") -> set[int]:
        ended = [self.children.pop(one) for one in ([name] if name else list(self.children))]
        for child in ended:
            child.send_signal(number)
        return {child.wait(timeout=PATIENCE_S) for child in ended}

    def link(self) -> str:
        """Return the path of the one-time link that the first start printed."""
        links: list[str] = LINK.findall((self.home / "said.txt").read_text())
        return links[-1]

    def rows(self, question: str, *values: object) -> list[Row]:
        """Ask the database, from outside and without a way to write."""
        return self.database.rows(question, values)

    def value(self, question: str, *values: object) -> Any:
        """Return the one value a question has for an answer, None when there is no row."""
        rows = self.rows(question, *values)
        return next(iter(rows[0].values())) if rows else None

    def until(self, is_true: Callable[[], object], *, what: str, every_s: float = 0.2) -> None:
        """Wait until something holds."""
        end = time.monotonic() + PATIENCE_S
        while not is_true():
            assert time.monotonic() < end, f"waited for {what}: {self.where()}"
            time.sleep(every_s)

    def where(self) -> list[Row]:
        """Return how far every task is, for the reader of a failed test."""
        return self.rows("SELECT key, state, failures FROM work_task ORDER BY created_at")

    def close(self) -> None:
        """End factory, products and edge, and leave nothing."""
        self.kill()
        with_edge = (self.home / "edge").exists()
        if with_edge:
            end_edge(Keeper(self.home / "edge"))
        if self.kept_in is not None:
            self.kept_in.remove()
        shutil.rmtree(self.home, ignore_errors=True)


def end_edge(edge: Keeper) -> None:
    """End every product, then the process that serves them."""
    try:
        edge.ensure()
        edge.apply(Table(generation=edge.state().generation + 1, products={}))
        end = time.monotonic() + 60
        while edge.state().launches and time.monotonic() < end:
            time.sleep(0.1)
    finally:
        try:
            edge.stop()
        except EdgeUnavailable:
            return


def product_ports() -> str:
    """Return ports for products that neither a running factory nor another test process uses."""
    worker = int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or 0)
    return f"{18_300 + worker * 20}-{18_319 + worker * 20}"


@contextmanager
def a_stack(home: Path, **said: Any) -> Iterator[Stack]:
    """Give a factory that runs; end all of it whatever happens."""
    stack = Stack(home, **said)
    try:
        yield stack.start()
    finally:
        stack.close()
