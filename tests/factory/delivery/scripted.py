"""An edge that runs nothing: it keeps what it was told, and answers as a test wants."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from core.ids import digest_of
from factory.delivery.errors import EdgeUnavailable, StaleGeneration, UnknownLaunch
from factory.delivery.ports import (
    Counters,
    EdgeState,
    Evidence,
    LaunchSpec,
    LaunchState,
    Site,
    SiteState,
    Table,
)


def key_of(name: str, spec: LaunchSpec) -> str:
    """Equal specs of a product are one launch."""
    return f"{name}.{digest_of([repr(spec)])[:12]}"


@dataclass
class ScriptedEdge:
    """Follows every table at once; a release is ready and green unless a test says otherwise.

    Attributes:
        why: what is wrong with a release, by digest; it proves nothing.
        unproved: digests of releases that did not prove themselves yet.
        late: digests of releases that had time enough.
        crashes: how often a release ended by itself, by digest.
        troubles: as the edge reports them.
        proxy_pid: another one says that a proxy died.
        is_settled: whether what was asked for is in force.
        on_state: is called with every look at the state.
        dies_after: so many more tables are taken, then nothing answers.
    """

    tables: list[Table] = field(default_factory=list)
    why: dict[str, str] = field(default_factory=dict)
    unproved: set[str] = field(default_factory=set)
    late: set[str] = field(default_factory=set)
    crashes: dict[str, int] = field(default_factory=dict)
    troubles: dict[str, str] = field(default_factory=dict)
    proxy_pid: int = 2
    is_settled: bool = True
    on_state: Callable[[], object] = bool
    dies_after: int = 1_000
    generation: int = 0
    products: Mapping[str, Site] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ensure(self) -> None:
        """It runs."""
        self._check_alive()

    def _check_alive(self) -> None:
        if not self.dies_after:
            raise EdgeUnavailable(why="scripted")

    def apply(self, table: Table) -> EdgeState:
        """As the real one: an older table, or another one of the same number, is refused."""
        with self.lock:
            self._check_alive()
            same = table.generation == self.generation and table.products == self.products
            if table.generation <= self.generation and not same:
                raise StaleGeneration(follows=self.generation)
            self.tables.append(table)
            self.generation, self.products = table.generation, table.products
            self.dies_after -= 1
        return self._state()

    def forget(self) -> None:
        """Be one whose home was wiped."""
        self.generation, self.products = 0, {}

    def state(self) -> EdgeState:
        """All that was asked for is in force."""
        self._check_alive()
        self.on_state()
        return self._state()

    def _state(self) -> EdgeState:
        launches = {
            key_of(name, spec): self._launch(name, spec)
            for name, site in self.products.items()
            for spec in (site.stable, site.candidate)
            if spec
        }
        sites = {name: self._site(name, site) for name, site in self.products.items()}
        return EdgeState(
            generation=self.generation, keeper_pid=1, run_folder="", sites=sites, launches=launches,
            troubles=self.troubles,
        )  # fmt: skip

    def _site(self, name: str, site: Site) -> SiteState:
        stable, candidate = (key_of(name, spec) if spec else None for spec in (site.stable, site.candidate))
        is_ready = site.candidate is not None and site.candidate.release not in self.unproved
        return SiteState(
            port=site.port, preview_port=site.preview_port, stable=stable, candidate=candidate, serving=stable,
            previewing=candidate if is_ready else None, weight=site.weight, settled=self.is_settled,
            proxy_pid=self.proxy_pid, preview_proxy_pid=self.proxy_pid,
        )  # fmt: skip

    def _launch(self, name: str, spec: LaunchSpec) -> LaunchState:
        return LaunchState(
            key=key_of(name, spec), product=name, release=spec.release, pid=3, address="", log="",
            ready=spec.release not in self.unproved, late=spec.release in self.late, adopted=False, leaving=False,
            crashes=self.crashes.get(spec.release, 0), last_exit=None, evidence=self._evidence(spec),
        )  # fmt: skip

    def _evidence(self, spec: LaunchSpec) -> Evidence:
        why = self.why.get(spec.release, "")
        ok = not why and spec.release not in self.unproved
        return Evidence(ok=ok, why=why, at=0.0, status=200, release=spec.release, took_ms=1.0)

    def stats(self) -> Mapping[str, Counters]:
        """Nothing is counted."""
        return {}

    def probe(self, launch: str) -> Evidence:
        """What the test wants this release to say."""
        self._check_alive()
        state = self._state()
        if launch not in state.launches:
            raise UnknownLaunch(launch=launch)
        return state.launches[launch].evidence

    def stop(self) -> None:
        """Nothing runs."""


@contextmanager
def answering(port: int, *, post: Callable[[], int] = lambda: 200) -> Iterator[None]:
    """A product at a port: GET answers 200, POST answers `post`."""

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._say(200)

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._say(post())

        def _say(self, status: int) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.send_header("Set-Cookie", "csrftoken=x")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Answers)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
