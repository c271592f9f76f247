"""Makers that people add, the models each key really has, and prices that an owner knows."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from agents.gateway.adapters.keyring import reachable
from agents.gateway.errors import AddressUnusable, PriceKnown
from agents.gateway.models import OWN_MACHINE, ModelEntry, Price, Provider, ProviderKey
from agents.gateway.rules.money import FREE, Tariff
from agents.gateway.rules.offers import (
    LEAST_WINDOW_TOKENS,
    MOST_WINDOW_TOKENS,
    Offer,
    Standing,
    room_of,
    state_of,
)
from agents.gateway.rules.route import TIERS, names_of
from agents.gateway.services.catalogue import tariffs_on
from core.errors import BadArguments, NotFound
from core.money import to_microusd
from core.services import audit, business_now, current_mode, publish

DEAREST_USD = Decimal(10_000)
"""No model costs more for a million tokens; above it somebody mistyped."""


def standings() -> list[Standing]:
    """Return how every model of the table and of the makers' own lists stands."""
    prices = tariffs_on(business_now().date())
    of_table = frozenset(Price.objects.filter(entered_by="").values_list("model_id", flat=True))
    in_reach = reachable(mode=current_mode())
    found: list[Standing] = []
    for maker in Provider.objects.prefetch_related("entries").order_by("name"):
        entries = sorted(maker.entries.all(), key=lambda one: (-TIERS.index(one.tier), one.name))
        names, is_reachable = maker.names_offered, maker.name in in_reach
        found += [
            replace(
                _standing(maker, entry, tariff=prices.get(entry.pk), names=names, is_reachable=is_reachable),
                may_price=maker.needs_key and entry.pk not in of_table,
            )
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
        longest_tokens=entry.max_output_tokens,
    )


def _unknown(maker: Provider, known: set[str]) -> list[Standing]:
    """Models of the maker's list that the table does not know: without a price they are never called."""
    from_list = [Offer(**row) for row in maker.offered or ()]
    return [
        Standing(maker.name, offer.name, "no_price", window_tokens=offer.window_tokens, may_price=True)
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
            entry = own_model(maker, offer)
            if not entry.prices.exists():
                _land(entry, tariff=FREE, by=OWN_MACHINE)


def own_model(maker: Provider, offer: Offer) -> ModelEntry:
    """Return the row of an own machine's model, written now where there is none; it has no price yet."""
    room, answer = room_of(window=offer.window_tokens, longest=None, is_own=True)
    told = {
        "tier": "local",
        "window_tokens": room,
        "max_output_tokens": answer,
        "capabilities": ["tools", "json"],
    }
    return ModelEntry.objects.get_or_create(provider=maker, name=offer.name, defaults=told)[0]


@transaction.atomic
def draft_maker(name: str, *, base_url: str, needs_key: bool, by: str) -> Provider:
    """Return another address that speaks the OpenAI protocol, new or moved, as its owner says it is.

    Of a new one a row is written that nothing calls; of one that stands there nothing is changed before `settle_maker`.

    Raises:
        AddressUnusable: a maker of this name stands in the price table.
    """
    maker, is_new = Provider.objects.get_or_create(
        name=name,
        defaults={
            "protocol": Provider.Protocol.COMPATIBLE,
            "base_url": base_url,
            "added_by": by[:80],
            "is_enabled": False,
            "stopped_because": "It was not proved yet.",
        },
    )
    if not maker.added_by:
        raise AddressUnusable(why=f"{name} is a maker of the price table; call yours something else")
    if is_new:
        audit(actor=by, verb="gateway.add_maker", subject=name, base_url=base_url, needs_key=needs_key)
    maker.base_url, maker.needs_key = base_url, needs_key
    return maker


@transaction.atomic
def settle_maker(maker: Provider, *, by: str) -> None:
    """Keep where a maker that a person added stands, now that it is proved. Safe to run twice.

    Prices that its owner entered go with it. Of a machine that asks for no key an earlier key is forgotten.
    """
    told = {"base_url": maker.base_url, "needs_key": maker.needs_key}
    row = Provider.objects.filter(pk=maker.pk)
    was_proved = row.exclude(listed_at=None).exists()
    if row.exclude(**told).update(**told) and was_proved:
        audit(
            actor=by,
            verb="gateway.move_maker",
            subject=maker.name,
            base_url=maker.base_url,
            needs_key=maker.needs_key,
        )
    if not maker.needs_key and ProviderKey.objects.filter(provider=maker).delete()[0]:
        publish("gateway.key_changed", provider=maker.name)


@transaction.atomic
def enter_price(  # noqa: PLR0913 (a model, and what is known of it)
    provider: str,
    model: str,
    *,
    input_usd: Decimal,
    output_usd: Decimal,
    by: str,
    tier: str = "",
    window_tokens: int | None = None,
    longest_tokens: int | None = None,
) -> Price:
    """Let a model be called at the price its owner knows, in dollars a million tokens, from today on.

    The newest price that a person entered counts; calls made before keep what they cost, and the price table wins over
    all of them. What the owner does not say is taken at its dearest: reading from a cache costs what reading costs,
    writing into one twice as much. An empty `tier` is as it was, `mid` for a new one; `window_tokens` and
    `longest_tokens` (what it holds and writes at most) are, when None, as they were, as its maker's list says, or as such
    models are believed to be.

    Raises:
        NotFound: the maker is not known, or its own list does not hold this model.
        PriceKnown: the price table says what it costs.
        BadArguments: no such tier, or an amount or a length that cannot be.
    """
    maker = Provider.objects.filter(name=provider).first()
    if maker is None or not maker.has(model) or not (maker.offered or maker.entries.filter(name=model)):
        raise NotFound(model=f"{provider}/{model}")
    if tier not in ("", *TIERS):
        raise BadArguments(at="tier", may_be=", ".join(TIERS))
    if not all(usd.is_finite() and 0 <= usd <= DEAREST_USD for usd in (input_usd, output_usd)):
        raise BadArguments(at="price", may_be=f"0 to {DEAREST_USD:,} dollars a million tokens")
    if window_tokens is not None and not LEAST_WINDOW_TOKENS <= window_tokens <= MOST_WINDOW_TOKENS:
        raise BadArguments(at="window", may_be=f"{LEAST_WINDOW_TOKENS:,} to {MOST_WINDOW_TOKENS:,} tokens")
    if Price.objects.filter(model__provider=maker, model__name__in=names_of(model), entered_by="").exists():
        raise PriceKnown(model=model)
    entry = _model_of(maker, model, tier=tier, window=window_tokens, longest=longest_tokens)
    read, written = to_microusd(input_usd), to_microusd(output_usd)
    price = _land(entry, tariff=Tariff(read, written, read, 2 * read), by=by)
    audit(
        actor=by, verb="gateway.enter_price", subject=f"{provider}/{model}", input_usd=str(input_usd),
        output_usd=str(output_usd), tier=entry.tier, window_tokens=entry.window_tokens, longest_tokens=entry.max_output_tokens,
    )  # fmt: skip
    publish("gateway.price_entered", provider=provider, model=model)
    return price


def _model_of(
    maker: Provider, name: str, *, tier: str, window: int | None, longest: int | None
) -> ModelEntry:
    """Return the row of a model as its owner knows it, then as it stands, then as the maker's list has it."""
    known = ModelEntry.objects.filter(provider=maker, name=name).first()
    tier = tier or (known.tier if known else "mid")
    if known and (not maker.added_by or known.prices.exclude(entered_by=OWN_MACHINE).exists()):
        window = window or known.window_tokens
        longest = longest or min(window, known.max_output_tokens)
    else:
        window = window or _listed(maker, name)
    room, answer = room_of(window=window, longest=longest, is_own=tier == "local" or not maker.needs_key)
    told = {"tier": tier, "window_tokens": room, "max_output_tokens": answer, "changed_at": timezone.now()}
    return ModelEntry.objects.update_or_create(
        provider=maker, name=name, defaults=told, create_defaults={**told, "capabilities": ["tools", "json"]}
    )[0]


def _listed(maker: Provider, name: str) -> int | None:
    """The window of a model in its maker's own list; None: it does not say."""
    return next((row["window_tokens"] for row in maker.offered or () if row["name"] == name), None)


def _land(entry: ModelEntry, *, tariff: Tariff, by: str) -> Price:
    """Write down what somebody says a model costs from today on."""
    return Price.objects.create(
        model=entry,
        valid_from=business_now().date(),
        input_microusd=tariff.input,
        output_microusd=tariff.output,
        cached_microusd=tariff.cached,
        cache_write_microusd=tariff.cache_write,
        entered_by=by[:80],
        entered_at=timezone.now(),
    )
