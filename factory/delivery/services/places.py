"""What the edge has to run, read from the rows, and told to it."""

from itertools import groupby

from django.conf import settings
from django.db import transaction
from django.db.models import F

from core.services import read_blob
from factory.delivery.adapters.keeper import Keeper
from factory.delivery.adapters.unpacked import Unpacked, unpack
from factory.delivery.errors import NoPortFree, StaleGeneration
from factory.delivery.models import EdgeOrder, Place, Release
from factory.delivery.ports import Edge, EdgeState, LaunchSpec, Site, Table
from factory.repo.adapters.environments import environment_for
from portfolio.models import Product


def the_edge() -> Edge:
    """Return the edge of this installation."""
    return Keeper(settings.HOME / "edge")


def site_name(product: Product) -> str:
    """Return the name of a product in the edge: its id, so that it may be renamed."""
    return f"p-{product.pk}"


@transaction.atomic
def place_of(product: Product) -> Place:
    """Return the product's place; the first call gives it two free ports.

    Raises:
        NoPortFree: all of FACTORY_PRODUCT_PORTS are taken by other products.
    """
    known = Place.objects.filter(product=product).first()
    if known is not None:
        return known
    taken = {port for pair in Place.objects.values_list("port", "preview_port") for port in pair}
    free = [port for port in settings.PRODUCT_PORTS if port not in taken][:2]
    if len(free) < 2:
        raise NoPortFree(ports=f"{settings.PRODUCT_PORTS.start}-{settings.PRODUCT_PORTS.stop - 1}")
    return Place.objects.create(product=product, port=free[0], preview_port=free[1])


def url_of(product: Product) -> str:
    """Return where people find the product, "" before it has a place."""
    place = Place.objects.filter(product=product).first()
    return f"http://127.0.0.1:{place.port}" if place else ""


def unpacked(release: Release) -> Unpacked:
    """Return the release on disk; unpacked and its environment built when they are not there.

    Raises:
        BlobDamaged: the stored artifact is gone or was changed.
    """
    home = settings.PRODUCTS_DIR / str(release.product_id)
    tree = unpack(read_blob(release.digest), home=home, digest=release.digest)
    python = environment_for(tree / "requirements.txt", home=settings.SHARED_DIR / "environments")
    return Unpacked(home=home, tree=tree, python=python, digest=release.digest, name=release.product.name)


def put_table(edge: Edge) -> EdgeState:
    """Tell the edge what the rows say, until it follows them."""
    while True:
        try:
            return edge.apply(desired_table())
        except StaleGeneration:
            continue


def desired_table() -> Table:
    """Return what the edge has to run now, under a number no table had before."""
    for release in Release.objects.running().select_related("product"):
        unpacked(release)  # slow the first time, so before the transaction
    return _numbered_table()


@transaction.atomic
def _numbered_table() -> Table:
    EdgeOrder.objects.get_or_create(id=1)
    EdgeOrder.objects.update(generation=F("generation") + 1)
    running = Release.objects.running().select_related("product__place")
    sites = {
        site_name(product): _site(product.place, {release.state: release for release in releases})
        for product, releases in groupby(running, key=lambda release: release.product)
    }
    return Table(generation=EdgeOrder.objects.get().generation, products=sites)


def _site(place: Place, by_state: dict[str, Release]) -> Site:
    live, standby = by_state.get(Release.State.LIVE), by_state.get(Release.State.STANDBY)
    coming = by_state.get(Release.State.TRYING) or by_state.get(Release.State.SWITCHING)
    at = {"port": place.port, "preview_port": place.preview_port}
    if coming is not None:
        return Site(**at, stable=_live(live), candidate=_coming(coming), weight=0)
    if live is not None and standby is not None:
        return Site(**at, stable=_live(standby), candidate=_live(live), weight=100)
    return Site(**at, stable=_live(live))


def _live(release: Release | None) -> LaunchSpec | None:
    return unpacked(release).live_spec() if release else None


def _coming(release: Release) -> LaunchSpec:
    if release.state == Release.State.TRYING:
        return unpacked(release).trial_spec(may_fetch=release.trial_fetch)
    return unpacked(release).live_spec()
