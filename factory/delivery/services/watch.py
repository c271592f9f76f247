"""Live releases are asked who they are, again and again; a red one goes back by itself."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx

from core.adapters.tls import trusted
from core.services import business_now
from factory.delivery.errors import EdgeUnavailable, ReleaseChanged, UnknownLaunch
from factory.delivery.models import EdgeOrder, Release
from factory.delivery.ports import Edge, EdgeState, Evidence, LaunchState
from factory.delivery.rules import is_red, is_trusted_after
from factory.delivery.services.launch import live_launch
from factory.delivery.services.places import home_of, put_table, the_edge
from factory.delivery.services.releases import note_probe, roll_back, trust

logger = logging.getLogger(__name__)
PROBES_AT_ONCE = 16
TICK_TIMEOUT_S = 30


@dataclass(frozen=True)
class Seen:
    """A live release, the launch in which users meet it, and what that answered."""

    release: Release
    launch: LaunchState
    evidence: Evidence

    @property
    def is_red(self) -> bool:
        """Whether that speaks against it."""
        return is_red(
            ok=self.evidence.ok,
            was_ready=self.launch.ready,
            is_late=self.launch.late,
            crashes=self.launch.crashes,
            is_trusted=self.release.trusted_at is not None,
        )


def watch_releases(edge: Edge | None = None) -> int:
    """Keep the edge at what the rows say, take back what is red, trust what stayed green; return how many are live.

    `edge` None is this installation's. Safe to run twice and in two processes at once.
    """
    if not EdgeOrder.objects.filter(generation__gt=0).exists():
        return 0
    try:
        return _watch(edge or the_edge())
    except EdgeUnavailable as fault:
        logger.warning("delivery.edge_unavailable", extra={"why": fault.facts.get("why")})
        return 0


def _watch(edge: Edge) -> int:
    edge.ensure()
    state = edge.state()
    if not EdgeOrder.objects.filter(generation=state.generation).exists():
        state = put_table(edge)
    live = list(Release.objects.live().select_related("product__place"))
    if sum(_judge(seen) for seen in _probe_all(live, edge=edge, state=state)):
        put_table(edge)
    return len(live)


def _probe_all(live: list[Release], *, edge: Edge, state: EdgeState) -> list[Seen]:
    """Ask all at once: one that hangs does not hold up the others."""
    met = [(release, launch) for release in live if (launch := live_launch(release, state)) is not None]
    if not met:
        return []
    with ThreadPoolExecutor(min(len(met), PROBES_AT_ONCE)) as pool:
        asked = pool.map(lambda pair: _probe(edge, pair[1]), met)
        return [Seen(*pair, evidence) for pair, evidence in zip(met, asked, strict=True) if evidence]


def _probe(edge: Edge, launch: LaunchState) -> Evidence | None:
    """What one launch answers; None when the edge does not say."""
    try:
        return edge.probe(launch.key)
    except (UnknownLaunch, EdgeUnavailable):
        return None


def _judge(seen: Seen) -> bool:
    """Act on what was seen; say whether something else has to run now."""
    release = seen.release
    try:
        if seen.is_red and note_probe(release, is_red=True, why=seen.evidence.why):
            logger.warning("delivery.probe_red", extra={"release": str(release), "why": seen.evidence.why})
            return roll_back(release, why=seen.evidence.why) is not None
    except ReleaseChanged:
        return False  # another watcher was first, or a newer release took over
    if not seen.evidence.ok:
        return False
    if release.red_probes:
        note_probe(release, is_red=False, why="")
    return _is_due(release) and trust(release)


def _is_due(release: Release) -> bool:
    if release.trusted_at or release.live_at is None:
        return False
    return is_trusted_after(business_now() - release.live_at)


def tick_products() -> int:
    """Let every live product begin to do what is due; return how many did.

    Nobody waits for them: a product whose last tick still goes on is left alone.
    """
    going = {thread.name for thread in threading.enumerate()}
    live = Release.objects.live().select_related("product__place")
    idle = [release for release in live if _tick_name(release) not in going]
    for release in idle:
        url = f"http://127.0.0.1:{release.product.place.port}/internal/tick"
        key = home_of(release.product).secret("tick_key")
        threading.Thread(
            target=_tick, args=(str(release), url, key), name=_tick_name(release), daemon=True
        ).start()
    return len(idle)


def _tick_name(release: Release) -> str:
    return f"tick-{release.product_id}"


def _tick(name: str, url: str, key: str) -> None:
    """Ask once; a product that fails says why in its own log."""
    try:
        answer = httpx.post(
            url, headers={"X-Tick-Key": key}, timeout=TICK_TIMEOUT_S, trust_env=False, verify=trusted()
        )
    except httpx.HTTPError as error:
        logger.warning("delivery.tick_failed", extra={"release": name, "why": type(error).__name__})
        return
    if answer.status_code != httpx.codes.NO_CONTENT:
        logger.warning("delivery.tick_failed", extra={"release": name, "why": f"status {answer.status_code}"})
