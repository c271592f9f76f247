"""Where products are served, and what the edge has to run: read from the rows, and told to it."""

import logging
from collections.abc import Iterator
from functools import partial
from itertools import groupby

from django.conf import settings
from django.db import transaction

from core.adapters.taken import until_free
from core.errors import BlobDamaged
from core.services import read_blob
from factory.delivery.adapters.home import ProductHome
from factory.delivery.adapters.keeper import Keeper
from factory.delivery.adapters.loopback import is_free
from factory.delivery.adapters.unpacked import Unpacked, unpack
from factory.delivery.errors import EdgeUnavailable, NoPortFree, StaleGeneration, TrialFailed
from factory.delivery.models import EdgeOrder, Place, Release
from factory.delivery.ports import Edge, EdgeState, LaunchSpec, Site, Table
from factory.delivery.rules import next_ports
from factory.repo.adapters.environments import EnvironmentNotBuilt, environment_for
from portfolio.models import Product

logger = logging.getLogger(__name__)
MOST_TRIES = 20


def the_edge() -> Edge:
    """Return the edge of this installation."""
    return Keeper(settings.HOME / "edge")


def site_name(product: Product) -> str:
    """Return the name of a product in the edge: its id, so that it may be renamed."""
    return f"p-{product.pk}"


def place_of(product: Product) -> Place:
    """Return the product's place; the first call gives it two ports that nobody uses.

    Raises:
        NoPortFree: all of FACTORY_PRODUCT_PORTS are taken by products or by other programs.
    """
    known = Place.objects.filter(product=product).first()
    return known or until_free(partial(_give_place, product, foreign=_foreign_ports()))


def _foreign_ports() -> frozenset[int]:
    return frozenset(port for port in settings.PRODUCT_PORTS if not is_free(port))


def _give_place(product: Product, *, foreign: frozenset[int]) -> Place:
    ours = {port for pair in Place.objects.values_list("port", "preview_port") for port in pair}
    ports = next_ports(settings.PRODUCT_PORTS, taken=foreign | ours)
    if ports is None:
        raise NoPortFree(ports=f"{settings.PRODUCT_PORTS.start}-{settings.PRODUCT_PORTS.stop - 1}")
    place, _ = Place.objects.get_or_create(
        product=product, defaults={"port": ports[0], "preview_port": ports[1]}
    )
    return place


def url_of(product: Product) -> str:
    """Return where people find the product, "" before it has a place."""
    place = Place.objects.filter(product=product).first()
    return f"http://127.0.0.1:{place.port}" if place else ""


def home_of(product: Product) -> ProductHome:
    """Return the product's own folder."""
    return ProductHome(settings.PRODUCTS_DIR / str(product.pk))


def unpacked(release: Release) -> Unpacked:
    """Return the release on disk; unpacked and its environment built when they are not there, which takes a while.

    Raises:
        BlobDamaged: it is not unpacked, and the stored artifact is gone or was changed.
        TrialFailed: the artifact is no archive.
        EnvironmentNotBuilt: a package of its lock is not to be had.
    """
    home = home_of(release.product)
    tree = home.tree_of(release.digest)
    if not tree.exists():
        unpack(read_blob(release.digest), tree=tree)
    python = environment_for(tree / "requirements.txt", home=settings.SHARED_DIR / "environments")
    return Unpacked(home=home, python=python, digest=release.digest, name=release.product.name)


def put_table(edge: Edge) -> EdgeState:
    """Tell the edge what the rows say, until it follows them. Safe to run twice and in two processes at once.

    Raises:
        EdgeUnavailable: it does not answer, or the rows change all the time.
    """
    for _ in range(MOST_TRIES):
        try:
            return edge.apply(desired_table())
        except StaleGeneration as stale:
            _overtake(int(str(stale.facts["follows"])))
    raise EdgeUnavailable(why=f"its table was changed {MOST_TRIES} times meanwhile")


def _overtake(generation: int) -> None:
    """Go past what the edge follows, where the rows do not yet: it was told by an older database, or of other specs."""
    EdgeOrder.objects.filter(generation__lte=generation).update(generation=generation + 1)


def desired_table() -> Table:
    """Return what the rows ask the edge to run now; the same rows give the same number."""
    generation, running = _read_order()
    sites = {}
    for product, releases in groupby(running, key=lambda release: release.product):
        try:
            sites[site_name(product)] = _site(product.place, list(releases))
        except (BlobDamaged, EnvironmentNotBuilt, TrialFailed) as fault:  # the other products go on
            logger.exception("delivery.cannot_run", extra={"product": product.name, "code": fault.code})
    return Table(generation=generation, products=sites)


@transaction.atomic
def _read_order() -> tuple[int, list[Release]]:
    order, _ = EdgeOrder.objects.get_or_create(id=1)
    return order.generation, list(Release.objects.running().select_related("product__place"))


def _site(place: Place, releases: list[Release]) -> Site:
    """What users meet is stable; the release that is tried stands beside it, and after the switch it is the other way."""
    state = Release.State
    live, standby = (next(_in(releases, one), None) for one in (state.LIVE, state.STANDBY))
    coming = next(_in(releases, state.TRYING, state.SWITCHING), None)
    stable, candidate, weight = live, coming, 0
    if live is not None and standby is not None and coming is None:
        stable, candidate, weight = standby, live, 100
    return Site(
        port=place.port,
        preview_port=place.preview_port,
        stable=_spec(stable) if stable else None,
        candidate=_spec(candidate) if candidate else None,
        weight=weight,
    )


def _in(releases: list[Release], *states: str) -> Iterator[Release]:
    return (release for release in releases if release.state in states)


def _spec(release: Release) -> LaunchSpec:
    disk = unpacked(release)
    if release.state == Release.State.TRYING:
        return disk.trial_spec(may_fetch=release.trial_fetch)
    return disk.live_spec()
