"""A host without a database, as it is deployed: another process group, another home, one key, one queue of the broker."""

import json
import os
import secrets
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import pytest
from redis import Redis
from redis.exceptions import NoPermissionError

from tests.flows.databases import is_full
from tests.flows.stack import PATIENCE_S, ROOT, Stack

pytestmark = pytest.mark.skipif(not is_full(), reason="needs PostgreSQL and Redis: make test-full")
LEASE_S = "6"


class Cable:
    """The line from a node to the pages; it can be pulled and put back."""

    def __init__(self, *, to: int) -> None:
        self.is_cut, self._to = False, to
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._door.getsockname()[1]
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def pull(self) -> None:
        """Cut what is open, and let nothing new through."""
        self.is_cut = True

    def put_back(self) -> None:
        """Let everything through again."""
        self.is_cut = False

    def close(self) -> None:
        """End for good."""
        self._over.set()
        for thread in self._threads:
            thread.join()
        self._door.close()

    def _accept(self) -> None:
        while not self._over.is_set():
            if select.select([self._door], [], [], 0.1)[0]:
                near, _ = self._door.accept()
                thread = threading.Thread(target=self._carry, args=(near,))
                self._threads.append(thread)
                thread.start()

    def _carry(self, near: socket.socket) -> None:
        with near, socket.create_connection(("127.0.0.1", self._to)) as far, suppress(OSError):
            other = {near: far, far: near}
            while not self.is_cut and not self._over.is_set():
                for one in select.select([near, far], [], [], 0.1)[0]:
                    said = one.recv(65_536)
                    if not said:
                        return
                    other[one].sendall(said)


@dataclass
class Host:
    """A second host: its own home, its own process group, and an environment in which no database is named."""

    home: Path
    key: str
    url: str
    broker: str
    child: "subprocess.Popen[bytes] | None" = None
    more: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """All that it is told."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "FACTORY_HOME": str(self.home),
            "FACTORY_NODE_KEY": self.key,
            "FACTORY_NODE_URL": self.url,
            "FACTORY_REDIS_URL": self.broker,
            **self.more,
        }

    def start(self) -> Self:
        """Begin to serve."""
        self.home.mkdir(exist_ok=True)
        with (self.home / "log").open("ab") as log:
            command = [sys.executable, str(ROOT / "manage.py"), "factory", "node", "serve"]
            self.child = subprocess.Popen(  # noqa: S603 (our own command)
                command, env=self.environment, cwd="/", stdout=log, stderr=log, start_new_session=True
            )
        return self

    def said(self) -> str:
        """Return its log."""
        return (self.home / "log").read_text()

    def processes(self) -> list[int]:
        """Return the processes of its group."""
        assert self.child is not None
        group = []
        for path in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                fields = path.read_text().rpartition(") ")[2].split()
                group += [int(path.parent.name)] if int(fields[2]) == self.child.pid else []
        return group

    def end(self) -> None:
        """End it in order."""
        if self.child is not None:
            self.child.terminate()
            self.child.wait(timeout=PATIENCE_S)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Return a factory whose leases are short."""
    made = Stack(tmp_path_factory.mktemp("factory") / "home", more={"FACTORY_LEASE_S": LEASE_S})
    try:
        yield made.start()
    finally:
        made.close()


def ask(redis: Redis, *words: str) -> None:
    """Carry out one command of the broker."""
    redis.execute_command(*words)  # type: ignore[no-untyped-call]


@pytest.fixture(scope="module")
def broker(stack: Stack) -> Iterator[str]:
    """Return the address of the broker for a user who may touch the gpu queue alone, as `deploy/` makes him."""
    whole = stack.environment["FACTORY_REDIS_URL"]
    name, password = f"node-{secrets.token_hex(4)}", secrets.token_hex(12)
    rules = (ROOT / "deploy" / "gpu-broker-user.acl").read_text().split()
    with closing(Redis.from_url(whole)) as admin:
        ask(admin, "ACL", "SETUSER", name, "reset", "on", f">{password}", *rules)
        there = urlsplit(whole)
        yield f"redis://{name}:{password}@{there.hostname}:{there.port}{there.path}"
        ask(admin, "ACL", "DELUSER", name)


@pytest.fixture(scope="module")
def cable(stack: Stack) -> Iterator[Cable]:
    """Return the line between the two hosts."""
    with closing(Cable(to=stack.port)) as made:
        yield made


@pytest.fixture(scope="module")
def host(stack: Stack, broker: str, cable: Cable, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """Return a second host that serves."""
    key = stack.cli("node", "admit", "attic").out.strip()
    made = Host(tmp_path_factory.mktemp("node"), key, f"http://127.0.0.1:{cable.port}", broker)
    try:
        yield made.start()
    finally:
        made.end()


def queue_test(stack: Stack, *, seconds: float) -> str:
    """Queue one job for the node; return the id of its task as rows have it."""
    said = stack.cli("node", "test", "--seconds", str(seconds), "--json")
    task: str = json.loads(said.out)["task"]
    return task.replace("-", "")


def state_of(stack: Stack, task: str) -> Any:
    """Return the state of a task."""
    return stack.value("SELECT state FROM work_task WHERE id = ?", task)


def attempts_of(stack: Stack, task: str) -> list[str]:
    """Return how each try at a task ended, the first first."""
    rows = stack.rows("SELECT state FROM work_attempt WHERE task_id = ? ORDER BY n", task)
    return [row["state"] for row in rows]


def test_a_second_host_carries_out_a_job_and_knows_no_database(stack: Stack, host: Host) -> None:
    task = queue_test(stack, seconds=0.5)

    stack.until(lambda: state_of(stack, task) == "completed", what="the job on the node")

    known = b"".join(Path(f"/proc/{pid}/environ").read_bytes() for pid in host.processes())
    files = [str(path.readlink()) for pid in host.processes() for path in Path(f"/proc/{pid}/fd").iterdir()]
    password = urlsplit(stack.environment["FACTORY_DATABASE_URL"]).password
    assert password is not None
    assert password.encode() not in known
    assert b"postgres" not in known
    assert [name for name in files if "sqlite" in name or str(stack.home) in name] == []
    assert host.processes() != []


def test_its_broker_user_touches_nothing_but_the_queue_of_nodes(host: Host) -> None:
    with closing(Redis.from_url(host.broker)) as redis:
        refused = 0
        for command in (
            ["LPUSH", "cloud", "x"], ["BRPOP", "control", "1"], ["GET", "anything"], ["KEYS", "*"], ["PUBLISH", "factory", "x"],
            ["HGETALL", "unacked"], ["FLUSHALL"], ["CONFIG", "GET", "*"], ["ACL", "LIST"],
        ):  # fmt: skip
            with suppress(NoPermissionError):
                ask(redis, *command)
                continue
            refused += 1

    assert refused == 9


def test_a_node_that_was_cut_off_comes_back_with_a_result_that_is_refused(
    stack: Stack, host: Host, cable: Cable
) -> None:
    task = queue_test(stack, seconds=4)
    stack.until(lambda: state_of(stack, task) == "running", what="the job on the node")

    cable.pull()
    stack.until(lambda: attempts_of(stack, task) == ["lost"], what="the lease to run out")
    cable.put_back()
    stack.until(lambda: state_of(stack, task) == "completed", what="the second try")

    assert attempts_of(stack, task) == ["lost", "done"]
    stack.until(lambda: "node.result_refused" in host.said(), what="the refusal of the first result")
    assert (
        stack.value("SELECT count(*) FROM work_taskevent WHERE task_id = ? AND new = 'completed'", task) == 1
    )


def test_a_revoked_node_gets_nothing_more_and_its_jobs_wait_for_another_key(stack: Stack, host: Host) -> None:
    stack.cli("node", "revoke", "attic")
    task = queue_test(stack, seconds=0.1)

    stack.until(lambda: "no GPU host is there" in stack.cli("queue", "--json").out, what="the reason")
    waited = state_of(stack, task)
    host.end()
    host.key = stack.cli("node", "rotate", "attic").out.strip()
    host.start()
    stack.until(lambda: state_of(stack, task) == "completed", what="the job with the new key")

    assert waited == "ready"


@pytest.mark.parametrize(
    ("left_out", "added", "words"),
    [
        ("FACTORY_NODE_KEY", {}, "The gpu queue is served with a node's key"),
        ("FACTORY_NODE_URL", {}, "FACTORY_NODE_KEY needs FACTORY_NODE_URL"),
        ("", {"FACTORY_DATABASE_URL": "postgres://a:b@localhost/c"}, "A node has no database"),
    ],
)
def test_a_worker_of_the_gpu_queue_without_a_key_or_with_a_database_does_not_start(
    host: Host, left_out: str, added: dict[str, str], words: str
) -> None:
    told = {name: value for name, value in {**host.environment, **added}.items() if name != left_out}
    command = [sys.executable, "-m", "celery", "-A", "celery_app", "worker", "-Q", "gpu", "-c", "1"]

    done = subprocess.run(  # noqa: S603 (our own command)
        command, env=told, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )

    assert done.returncode != 0
    assert words in done.stdout + done.stderr
