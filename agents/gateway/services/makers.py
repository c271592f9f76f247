"""Makers that people add, the models each key really has, and prices that an owner knows."""

from collections.abc import Sequence
from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from agents.gateway.adapters.keyring import reachable
from agents.gateway.errors import AddressUnusable, PriceKnown
from agents.gateway.models import ModelEntry, Price, Provider
from agents.gateway.rules.money import Tariff
from agents.gateway.rules.offers import SMALL_WINDOW_TOKENS, Offer, Standing, state_of
from agents.gateway.rules.route import TIERS
from agents.gateway.services.catalogue import tariffs_on
from core.errors import BadArguments, NotFound
from core.money import to_microusd
from core.services import audit, business_now, current_mode, publish

DEAREST_USD = Decimal(10_000)
"""No model costs more for a million tokens; above it somebody mistyped."""
LONGEST_ANSWER_TOKENS = 16_384


def standings() -> list[Standing]:
    """Return how every model of the table and of the makers' own lists stands."""
    prices = tariffs_on(business_now().date())
    in_reach = reachable(mode=current_mode())
    found: list[Standing] = []
    for maker in Provider.objects.prefetch_related("entries").order_by("name"):
        entries = sorted(maker.entries.all(), key=lambda one: (-TIERS.index(one.tier), one.name))
        names, is_reachable = maker.names_offered, maker.name in in_reach
        found += [
            _standing(maker, entry, tariff=prices.get(entry.pk), names=names, is_reachable=is_reachable)
            for entry in entries
        ]
        found += _unknown(maker, {entry.name for entry in entries})
    return found


def _standing(
    maker: Provider,
    entry: ModelEntry,
    *,
    tariff: Tariff | None,
    names: frozenset[str] | None,
    is_reachable: bool,
) -> Standing:
    state = state_of(
        is_priced=tariff is not None,
        is_reachable=is_reachable,
        is_running=maker.is_enabled,
        is_offered=None if names is None else entry.name in names,
    )
    return Standing(
        provider=maker.name,
        model=entry.name,
        state=state,
        tier=entry.tier,
        window_tokens=entry.window_tokens,
        input_microusd=tariff.input if tariff else None,
        output_microusd=tariff.output if tariff else None,
    )


def _unknown(maker: Provider, known: set[str]) -> list[Standing]:
    """Models of the maker's list that the table does not know: without a price they are never called."""
    from_list = [Offer(**row) for row in maker.offered or ()]
    return [
        Standing(maker.name, offer.name, "no_price", window_tokens=offer.window_tokens)
        for offer in from_list
        if not known.intersection(_names(offer.name))
    ]


def _names(offer: str) -> frozenset[str]:
    return Provider(offered=[{"name": offer}]).names_offered or frozenset()


@transaction.atomic
def keep_offers(maker: Provider, offers: Sequence[Offer]) -> None:
    """Write down what the maker's own list says; an own machine's models cost nothing and are ready at once."""
    rows = [{"name": offer.name, "window_tokens": offer.window_tokens} for offer in offers]
    Provider.objects.filter(pk=maker.pk).update(offered=rows, listed_at=timezone.now())
    maker.offered = rows
    if not maker.needs_key:
        for offer in offers:
            _price(maker, offer.name, tier="local", window=offer.window_tokens, rates=(0, 0, 0, 0))


@transaction.atomic
def add_maker(name: str, *, base_url: str, needs_key: bool, by: str) -> Provider:
    """Write down another address that speaks the OpenAI protocol; nothing calls it before it was proved.

    Raises:
        AddressUnusable: a maker of this name stands in the price table, or was added with another address.
    """
    maker, is_new = Provider.objects.get_or_create(
        name=name,
        defaults={
            "protocol": Provider.Protocol.COMPATIBLE,
            "base_url": base_url,
            "needs_key": needs_key,
            "added_by": by[:80],
            "is_enabled": False,
            "stopped_because": "It was not proved yet.",
        },
    )
    if not is_new and (maker.base_url, maker.needs_key, bool(maker.added_by)) != (base_url, needs_key, True):
        raise AddressUnusable(why=f"the name {name} belongs to another model maker")
    if is_new:
        audit(actor=by, verb="gateway.add_maker", subject=name, base_url=base_url, needs_key=needs_key)
    return maker


@transaction.atomic
def enter_price(
    provider: str, model: str, *, input_usd: Decimal, output_usd: Decimal, tier: str, by: str
) -> Price:
    """Let a model be called at the price its owner knows, in dollars a million tokens, from today on.

    What the owner does not say is taken at its dearest: reading from a cache costs what reading costs, writing into
    one twice as much.

    Raises:
        NotFound: the maker is not known, or its own list does not hold this model.
        PriceKnown: it has a price.
        BadArguments: no such tier, or an amount that cannot be.
    """
    maker = Provider.objects.filter(name=provider).first()
    if maker is None or not maker.has(model) or not (maker.offered or maker.entries.filter(name=model)):
        raise NotFound(model=f"{provider}/{model}")
    if tier not in TIERS:
        raise BadArguments(at="tier", may_be=", ".join(TIERS))
    if not all(usd.is_finite() and 0 <= usd <= DEAREST_USD for usd in (input_usd, output_usd)):
        raise BadArguments(at="price", may_be=f"0 to {DEAREST_USD:,} dollars a million tokens")
    if Price.objects.filter(model__provider=maker, model__name=model).exists():
        raise PriceKnown(model=model)
    window = next((row["window_tokens"] for row in maker.offered or () if row["name"] == model), None)
    read, written = to_microusd(input_usd), to_microusd(output_usd)
    price = _price(maker, model, tier=tier, window=window, rates=(read, written, read, 2 * read))
    audit(
        actor=by, verb="gateway.enter_price", subject=f"{provider}/{model}",
        input_usd=str(input_usd), output_usd=str(output_usd), tier=tier,
    )  # fmt: skip
    publish("gateway.price_entered", provider=provider, model=model)
    return price


def _price(
    maker: Provider, name: str, *, tier: str, window: int | None, rates: tuple[int, int, int, int]
) -> Price:
    """Return the price of a model from today on, with its row in the table; both may stand there already."""
    room = window or SMALL_WINDOW_TOKENS
    entry, _ = ModelEntry.objects.get_or_create(
        provider=maker,
        name=name,
        defaults={
            "tier": tier,
            "window_tokens": room,
            "max_output_tokens": min(room // 2, LONGEST_ANSWER_TOKENS),
            "capabilities": ["tools", "json"],
        },
    )
    read, written, cached, cache_write = rates
    price = entry.prices.order_by("-valid_from").first()
    return price or Price.objects.create(
        model=entry,
        valid_from=business_now().date(),
        input_microusd=read,
        output_microusd=written,
        cached_microusd=cached,
        cache_write_microusd=cache_write,
    )
