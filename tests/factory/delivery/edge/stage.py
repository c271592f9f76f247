"""One edge with one product, and users who count what they get."""

import contextlib
import http.client
import os
import secrets
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from factory.delivery.adapters.keeper import Keeper
from factory.delivery.ports import EdgeState, LaunchSpec, Site, Table

HERE = Path(__file__).parent
NAP = threading.Event()


def free_port() -> int:
    """A port nobody listens on, below those that the system gives to outgoing connections."""
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def until(look: Callable[[], object], *, within_s: float = 20.0) -> None:
    """Wait until `look` sees something."""
    end = time.monotonic() + within_s
    while not look():
        assert time.monotonic() < end, "waited in vain"
        NAP.wait(0.02)


@dataclass(frozen=True)
class Answer:
    """What one user got; status 0 is a broken connection."""

    method: str
    number: str
    status: int
    release: str | None
    body: bytes = b""
    cookie: str | None = None
    began: float = 0.0

    @property
    def is_promised(self) -> bool:
        """True for a status the product promises."""
        return self.status == (201 if self.method == "POST" else 200)


def ask(port: int, path: str = "/", *, method: str = "GET", number: str = "0", cookie: str = "") -> Answer:
    """One request on a connection of its own."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        return ask_over(link, path, method=method, number=number, cookie=cookie)
    finally:
        link.close()


def ask_over(
    link: http.client.HTTPConnection,
    path: str = "/",
    *,
    method: str = "GET",
    number: str = "0",
    cookie: str = "",
) -> Answer:
    """One request on a kept connection; never sent twice."""
    began = time.monotonic()
    try:
        link.request(method, f"{path}?id={number}", headers={"Cookie": cookie} if cookie else {})
        said = link.getresponse()
        body = said.read()
    except (OSError, http.client.HTTPException):
        link.close()
        return Answer(method, number, 0, None, began=began)
    return Answer(
        method, number, said.status, said.getheader("x-release"), body, said.getheader("set-cookie"), began
    )


@dataclass
class Users:
    """Ten users with kept connections, five requests a second each, every second one a POST."""

    port: int
    methods: tuple[str, ...] = ("GET", "POST")
    answers: list[Answer] = field(default_factory=list)
    enough: threading.Event = field(default_factory=threading.Event)

    def _use(self, user: int) -> None:
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        due, number = time.monotonic() + user * 0.02, 0
        while not self.enough.wait(max(0.0, due - time.monotonic())):
            method = self.methods[number % len(self.methods)]
            self.answers.append(ask_over(link, method=method, number=f"{user}-{number}"))
            due, number = due + 0.2, number + 1
        link.close()

    @contextlib.contextmanager
    def at_work(self) -> Iterator["Users"]:
        """Fifty requests a second while the block runs."""
        threads = [threading.Thread(target=self._use, args=(user,)) for user in range(10)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self.enough.set()
            for thread in threads:
                thread.join()

    def meet(self, release: str, *, times: int = 25) -> None:
        """Wait until so many more answers came from a release."""
        already = self._from(release)
        until(lambda: self._from(release) >= already + times)

    def _from(self, release: str) -> int:
        return sum(answer.release == release for answer in list(self.answers))

    @property
    def failed(self) -> list[Answer]:
        """Answers nobody promised."""
        return [answer for answer in self.answers if not answer.is_promised]


@dataclass
class Stage:
    """An edge of its own with the product `shop`."""

    folder: Path
    port: int = field(default_factory=free_port)
    preview: int = field(default_factory=free_port)
    generation: int = 0

    def __post_init__(self) -> None:
        self.edge = Keeper(self.folder / "home")
        self.orders = self.folder / "orders"

    def spec(self, release: str, **env: str) -> LaunchSpec:
        """How a release of the small product is run."""
        argv = [sys.executable, "-m", "uvicorn", "product:app", "--uds", "{socket}", "--no-access-log"]
        return LaunchSpec(
            release=release,
            argv=[*argv, "--log-level", "warning"],
            cwd=str(HERE),
            env={"ORDERS": str(self.orders), **env},
            start_s=1,
            stop_s=2,
        )

    def ask_for(
        self, stable: LaunchSpec | None, candidate: LaunchSpec | None = None, *, weight: int = 0
    ) -> EdgeState:
        """Apply the next table."""
        self.generation += 1
        site = Site(
            port=self.port, preview_port=self.preview, stable=stable, candidate=candidate, weight=weight
        )
        return self.edge.apply(Table(generation=self.generation, products={"shop": site}))

    def bring(
        self, stable: LaunchSpec | None, candidate: LaunchSpec | None = None, *, weight: int = 0
    ) -> EdgeState:
        """Apply the next table and wait until it is in force."""
        self.ask_for(stable, candidate, weight=weight)
        until(lambda: self.edge.state().sites["shop"].settled)
        return self.edge.state()

    def taken_orders(self) -> list[str]:
        """Numbers of the orders that were written down."""
        return [line.split()[0] for line in self.orders.read_text().splitlines()]

    def end(self) -> None:
        """Remove the home folder and wait until all that ran for it is gone."""
        shutil.rmtree(self.edge.home, ignore_errors=True)
        until(lambda: not bearers(str(self.edge.home)))


def proxies_of(stage: Stage) -> set[int]:
    """Every Caddy of this edge that runs, whether its keeper knows it or not."""
    return set(bearers(f"{stage.edge.home}/proxies/"))


def has_begun_an_order(stage: Stage) -> bool:
    """True when the product took an order in hand that takes a while."""
    return stage.orders.with_suffix(".begun").exists()


def parent_of(pid: int) -> int:
    """The process that started another."""
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def kill(*pids: int | None) -> None:
    """SIGKILL, all at once."""
    for pid in pids:
        os.kill(pid or 0, signal.SIGKILL)


def is_running(pid: int) -> bool:
    """True for a process that is neither gone nor a zombie that waits for its parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def bearers(text: str) -> list[int]:
    """Processes with a text in their environment or command."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdigit() and text.encode() in b"".join(
                (entry / name).read_bytes() for name in ("environ", "cmdline")
            ):
                found.append(int(entry.name))
    return [pid for pid in found if pid != os.getpid()]
