"""Turn what people name on a page, over REST or on the command line off and on again: each kind at the one place where it binds."""

from datetime import datetime

from django.db import transaction

from agents.gateway.models import ModelEntry, Provider
from agents.gateway.services import start_provider, stop_provider
from agents.roster.models import Agent
from billing.errors import SwitchUnknown
from billing.models import Scope, Switch
from billing.services import clear_switch, set_switch
from core.errors import BadArguments
from portfolio.models import Product
from portfolio.services import freeze_product, thaw_product


@transaction.atomic
def turn_off(kind: str, ref: str, *, by: str, reason: str, until: datetime | None = None) -> Switch:
    """Let no new call of this pass, and cut its open streams; a venture begins no new work either. Safe to run twice.

    At the machine time `until` it ends by itself, None: by hand, as ventures and providers always do.

    Raises:
        SwitchUnknown: there is no such thing.
        BadArguments: it does not end by itself.
    """
    name = _known(kind, ref)
    if until is not None and kind in (Switch.Kind.PRODUCT, Switch.Kind.PROVIDER):
        raise BadArguments(at="until", expected="null: a product and a provider are switched on by hand")
    if kind == Switch.Kind.PROVIDER:
        stop_provider(name, because=f"{reason}, {by}", by=by)
    product = _product(kind, name)
    if product is not None and product.state != Product.State.FROZEN:
        freeze_product(product, reason=reason, by=by)
    return set_switch(kind, name, by=by, reason=reason, until=until)


@transaction.atomic
def turn_on(kind: str, ref: str, *, by: str) -> bool:
    """Let it go on and say whether it was switched off; whoever calls has asked whether they may. Safe to run twice.

    Raises:
        SwitchUnknown: there is no such thing.
    """
    name, was_off = _known(kind, ref), False
    if kind == Switch.Kind.PROVIDER:
        was_off = start_provider(name, by=by)
    product = _product(kind, name)
    if product is not None and product.state == Product.State.FROZEN:
        thaw_product(product, reason=f"let go on by {by}", by=by)
        was_off = True
    return clear_switch(kind, name, by=by) or was_off


def _known(kind: str, ref: str) -> str:
    """Return how its own row writes the name."""
    provider, _, model = ref.partition("/")
    rows = {
        Switch.Kind.AGENT: Agent.objects.filter(name__iexact=ref).values_list("name", flat=True),
        Switch.Kind.TEAM: Scope.objects.filter(kind=Scope.Kind.TEAM, ref=ref).values_list("ref", flat=True),
        Switch.Kind.PRODUCT: Product.objects.filter(slug=ref).values_list("scope__ref", flat=True),
        Switch.Kind.PROVIDER: Provider.objects.filter(name=ref).values_list("name", flat=True),
        Switch.Kind.MODEL: ModelEntry.objects.filter(provider=provider, name=model).values_list(
            "name", flat=True
        ),
    }
    if kind in (Switch.Kind.GLOBAL, Switch.Kind.THROTTLE):
        return ref or "factory"
    name = rows[Switch.Kind(kind)].first() if kind in rows else None
    if name is None:
        raise SwitchUnknown(kind=kind, ref=ref[:130])
    return f"{provider}/{name}" if kind == Switch.Kind.MODEL else str(name)


def _product(kind: str, ref: str) -> Product | None:
    if kind != Switch.Kind.PRODUCT:
        return None
    return (
        Product.objects.select_related("scope").filter(scope__kind=Scope.Kind.PRODUCT, scope__ref=ref).first()
    )
