"""What delivery needs from outside: one edge that runs products and carries their users."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from factory.delivery.errors import PortTaken


@dataclass(frozen=True, kw_only=True)
class LaunchSpec:
    """How one release is run. Equal specs of a product are one launch, whichever slot they fill.

    The edge assigns a unix socket and writes its path where `argv` says `{socket}`; it adds `PRODUCT_RELEASE`,
    `PRODUCT_PROOF_KEY` (fresh at every start), `HOME`, `PATH`, `LANG` and `TZ` to `env`, and nothing else is passed on.

    `GET health?nonce=N` must answer 200 `{"ok": true, "release": ..., "proof": ...}` with
    `proof = hex HMAC-SHA256(PRODUCT_PROOF_KEY, N + release)`; asked with `Host: 127.0.0.1`.

    Attributes:
        release: what the proof names, usually the artifact's digest.
        start_s: machine time after which an unproved launch is called late (it is still asked).
        drain_s: longest wait for its requests before a launch that left is told to end.
        stop_s: from that word (SIGTERM) to force (SIGKILL).
    """

    release: str
    argv: Sequence[str]
    cwd: str
    env: Mapping[str, str] = field(default_factory=dict)
    health: str = "/health"
    start_s: float = 30.0
    drain_s: float = 30.0
    stop_s: float = 10.0


@dataclass(frozen=True, kw_only=True)
class Site:
    """One product at its port (127.0.0.1).

    Users meet the stable launch, `weight` percent of them the candidate (always the same visitors; a rising weight only
    adds some). The preview port is open while there is a candidate and leads to it, also at weight 0. A launch that did not prove itself is
    never routed: until a new stable one has, the old one serves. To be able to go back at once, keep the old launch as
    `stable` and the new one as `candidate` at weight 100 until it is trusted; back is then a pointer, not a start.
    """

    port: int
    preview_port: int | None = None
    stable: LaunchSpec | None = None
    candidate: LaunchSpec | None = None
    weight: int = 0


@dataclass(frozen=True, kw_only=True)
class Table:
    """Everything that shall run, by product (small letters, digits, hyphens); what is not in it is stopped and forgotten.

    A table of a lower generation than the edge's, or another one of the same generation, is refused.
    """

    generation: int
    products: Mapping[str, Site]


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a launch answered when it was asked who it is.

    Attributes:
        ok: this very process answered for this release and says it is well.
        why: a sentence; for a launch that crashed, its exit and last words.
        at: when, seconds since 1970 UTC.
        status: HTTP status; None without an answer.
        release: what it said it is; None without an answer.
        took_ms: None when it was not asked.
    """

    ok: bool
    why: str
    at: float
    status: int | None
    release: str | None
    took_ms: float | None


@dataclass(frozen=True, kw_only=True)
class LaunchState:
    """One launch as it is now.

    Attributes:
        pid: None while it does not run.
        log: file with what it wrote; it goes when the launch goes.
        ready: it proved itself since its last start.
        late: not ready though `start_s` passed; a candidate that is late is a refused one.
        adopted: it was started by an earlier keeper.
        leaving: nobody asks for it any more; it drains and ends.
        last_exit: exit code, or minus a signal's number; None is unknown or none yet.
    """

    key: str
    product: str
    release: str
    pid: int | None
    address: str
    log: str
    ready: bool
    late: bool
    adopted: bool
    leaving: bool
    crashes: int
    last_exit: int | None
    evidence: Evidence


@dataclass(frozen=True, kw_only=True)
class SiteState:
    """What was asked for a product and what is in force; launches by key.

    Attributes:
        stable, candidate: asked for.
        serving: the launch users meet beside the candidate; None: they wait.
        previewing: the launch behind the preview port, proved; None: nobody.
        weight: percent of users at the candidate, as the proxy was told.
        settled: all that was asked for is in force and the ports are open.
        proxy_pid, preview_proxy_pid: who carries the port's users; None: nobody just now.
    """

    port: int
    preview_port: int | None
    stable: str | None
    candidate: str | None
    serving: str | None
    previewing: str | None
    weight: int
    settled: bool
    proxy_pid: int | None
    preview_proxy_pid: int | None


@dataclass(frozen=True, kw_only=True)
class EdgeState:
    """What is true in the edge now; `troubles` are sentences by subject (`port 8101`, `proxy 8101`, `edge`)."""

    generation: int
    keeper_pid: int
    run_folder: str
    sites: Mapping[str, SiteState]
    launches: Mapping[str, LaunchState]
    troubles: Mapping[str, str]

    def candidate_of(self, product: str) -> LaunchState | None:
        """The launch asked for as candidate, None when there is none."""
        return self._launch(self.sites[product].candidate) if product in self.sites else None

    def stable_of(self, product: str) -> LaunchState | None:
        """The launch asked for as stable, None when there is none."""
        return self._launch(self.sites[product].stable) if product in self.sites else None

    def _launch(self, key: str | None) -> LaunchState | None:
        return self.launches.get(key) if key else None

    def require_ports(self, product: str) -> None:
        """Nothing, when the product's ports are open.

        Raises:
            PortTaken: another program has one of them; the edge tries again until it is free.
        """
        site = self.sites[product]
        for port in (site.port, site.preview_port):
            if f"port {port}" in self.troubles:
                raise PortTaken(port=port, why=self.troubles[f"port {port}"])


@dataclass(frozen=True, kw_only=True)
class Counters:
    """What was counted since the edge's first day; None: not counted for this subject.

    Attributes:
        answers: whole answers, of a launch or as users of a site got them.
        errors_5xx: those with status 500 and above (of a site: also the edge's own).
        connect_errors: dials that a launch refused; nothing was sent.
        broken: requests that a launch took and did not answer.
        cut: answers that a launch tore halfway.
        edge_4xx, edge_5xx: refusals of the edge itself.
        client_gone: users who left before the end.
        retried: requests sent a second time, GET only.
        took_us: answers by upper edge of their duration in microseconds (cells at most 6 % wide).

    What a killed proxy had in flight is counted by nobody.
    """

    answers: int
    errors_5xx: int
    connect_errors: int | None = None
    broken: int | None = None
    cut: int | None = None
    edge_4xx: int | None = None
    edge_5xx: int | None = None
    client_gone: int | None = None
    retried: int | None = None
    took_us: Mapping[int, int] = field(default_factory=dict)

    def since(self, before: "Counters") -> "Counters":
        """What was counted after an earlier reading."""
        cells = {cell: n - before.took_us.get(cell, 0) for cell, n in self.took_us.items()}
        return Counters(
            answers=self.answers - before.answers,
            errors_5xx=self.errors_5xx - before.errors_5xx,
            connect_errors=_minus(self.connect_errors, before.connect_errors),
            broken=_minus(self.broken, before.broken),
            cut=_minus(self.cut, before.cut),
            edge_4xx=_minus(self.edge_4xx, before.edge_4xx),
            edge_5xx=_minus(self.edge_5xx, before.edge_5xx),
            client_gone=_minus(self.client_gone, before.client_gone),
            retried=_minus(self.retried, before.retried),
            took_us={cell: n for cell, n in cells.items() if n},
        )

    def percentile_ms(self, share: float) -> float | None:
        """The duration that `share` (0 to 1) of the answers did not pass; None without answers."""
        seen, count = 0, sum(self.took_us.values())
        for cell in sorted(self.took_us):
            seen += self.took_us[cell]
            if count and seen >= share * count:
                return cell / 1000
        return None


def _minus(after: int | None, before: int | None) -> int | None:
    return None if after is None else after - (before or 0)


class Edge(Protocol):
    """Runs products and carries their users; decides nothing and outlives whoever tells it.

    Every verb but `ensure` raises EdgeUnavailable when nobody answers: what runs is then unknown, not stopped.
    """

    def ensure(self) -> None:
        """Start the edge unless it runs; safe to run twice.

        Raises:
            EdgeUnavailable: it does not come up.
        """

    def apply(self, table: Table) -> EdgeState:
        """Ask for a whole table; gives the state after a first step towards it. The same table twice is well.

        Raises:
            StaleGeneration: the edge follows a newer table.
            TableRefused: a sentence says what is wrong; nothing changed.
        """

    def state(self) -> EdgeState:
        """What is true now."""

    def stats(self) -> Mapping[str, Counters]:
        """Cumulative counters by launch key, by product (its users) and by `<product>.preview` (the preview port)."""

    def probe(self, launch: str) -> Evidence:
        """Fresh evidence about one launch.

        Raises:
            UnknownLaunch: no launch has this key.
        """

    def stop(self) -> None:
        """End the edge; products stay, unreachable, until the next `ensure`. Apply an empty table first to end them, too."""
