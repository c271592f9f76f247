"""Live releases are asked who they are, again and again; a red one goes back by itself."""

import logging

import httpx

from core.services import business_now
from factory.delivery.errors import EdgeUnavailable, UnknownLaunch
from factory.delivery.models import Release
from factory.delivery.ports import Edge, EdgeState, Evidence
from factory.delivery.rules import RED_PROBES, TRUSTED_AFTER_S
from factory.delivery.services.launch import live_launch
from factory.delivery.services.places import put_table, the_edge, unpacked, url_of
from factory.delivery.services.releases import note_probe, roll_back, trust

logger = logging.getLogger(__name__)
TICK_TIMEOUT_S = 20


def watch_releases() -> int:
    """Probe every live release; take back what is red, trust what stayed green. Return how many are live."""
    live = list(Release.objects.live().select_related("product__place"))
    if not live:
        return 0
    edge = the_edge()
    edge.ensure()
    state = edge.state()
    for release in live:
        _watch(release, edge=edge, state=state)
    return len(live)


def _watch(release: Release, *, edge: Edge, state: EdgeState) -> None:
    launch = live_launch(release, state)
    if launch is None:
        put_table(edge)  # the edge lost its table: the rows know it
        return
    try:
        evidence = edge.probe(launch.key)
    except (UnknownLaunch, EdgeUnavailable):
        return
    red = note_probe(release, is_green=evidence.ok)
    if red >= RED_PROBES:
        _take_back(release, edge=edge, evidence=evidence)
    elif evidence.ok:
        _trust_in_time(release, edge=edge)


def _take_back(release: Release, *, edge: Edge, evidence: Evidence) -> None:
    logger.warning("delivery.probe_red", extra={"release": str(release), "why": evidence.why})
    if roll_back(release, why=evidence.why):
        put_table(edge)


def _trust_in_time(release: Release, *, edge: Edge) -> None:
    if release.trusted_at or not release.live_at:
        return
    if (business_now() - release.live_at).total_seconds() >= TRUSTED_AFTER_S and trust(release):
        put_table(edge)


def tick_products() -> int:
    """Let every live product do what is due; return how many did."""
    live = Release.objects.live().select_related("product")
    return sum(_tick(release) for release in live)


def _tick(release: Release) -> bool:
    key = unpacked(release).tick_key()
    try:
        answer = httpx.post(
            f"{url_of(release.product)}/internal/tick",
            headers={"X-Tick-Key": key}, timeout=TICK_TIMEOUT_S, trust_env=False,
        )  # fmt: skip
    except httpx.HTTPError as error:
        logger.warning("delivery.tick_failed", extra={"release": str(release), "why": type(error).__name__})
        return False
    return answer.status_code == httpx.codes.NO_CONTENT
