"""One small call proves a key; only then is it kept."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from agents.gateway.adapters import transport
from agents.gateway.adapters.catalog import list_offers
from agents.gateway.adapters.http import Line, converse
from agents.gateway.adapters.keyring import NO_KEY, key_of
from agents.gateway.errors import (
    KeyMissing,
    KeyRefused,
    MakerBusy,
    MakerSilent,
    OnlyRehearsed,
    ProviderFault,
)
from agents.gateway.models import ModelEntry, Provider
from agents.gateway.ports import Ask, Intent, Message, Patience, Reply
from agents.gateway.rules.offers import MOST_MODELS, Offer, names_offered, read_address, read_maker_name
from agents.gateway.services.bounds import bound_of_body
from agents.gateway.services.catalogue import tariffs_on
from agents.gateway.services.keys import read_key, set_key
from agents.gateway.services.makers import add_maker, keep_offers
from agents.gateway.services.prices import start_provider
from agents.gateway.services.records import close_answered, close_failed, open_call
from agents.gateway.services.routes import Route
from core.errors import FactoryError, NotFound
from core.ids import new_id
from core.models import Mode
from core.services import audit, business_now, current_mode

WHO = "key check"
_QUESTION = "Answer with the one word: ready"
_ROOM_TOKENS = 16
_PATIENCE = Patience(first_token_s=20, silence_s=10, total_s=30)


@dataclass(frozen=True)
class Proof:
    """What a check found.

    Attributes:
        model: who was asked; empty: nobody, because no model of this key has a price.
        cost_microusd: what the call cost; 0 when nobody was asked.
        said: the answer, shortened.
        offered: how many models the maker's own list holds; None: it gives none out.
    """

    provider: str
    offered: int | None
    model: str = ""
    said: str = ""
    cost_microusd: int = 0
    call_id: UUID | None = None


def prove_key(provider: str, key: str | None = None, *, by: str) -> Proof:
    """Ask the maker for its models and one of them for a word; a `key` that works is kept in place of an earlier one.

    The call is held, booked and written down like any other, as `key_check`. Call it outside of any transaction.

    Args:
        provider: who.
        key: a new key; None: the one it has.
        by: who wants to know.

    Raises:
        OnlyRehearsed: here nothing is real.
        NotFound, KeyMissing, KeyUnusable, KeyFromEnvironment: there is nothing to check.
        KeyRefused, MakerBusy, MakerSilent, ListUnreadable: it does not work; nothing was kept.
        BudgetExceeded: not even this call fits today's limit; nothing was kept.
    """
    _needs_real()
    maker = Provider.objects.filter(name=provider).first()
    if maker is None:
        raise NotFound(provider=provider)
    fresh = None if key is None else read_key(key)
    used = fresh or key_of(provider)
    if used is None:
        raise KeyMissing(provider=provider)
    return _prove(maker, used, fresh=fresh, by=by)


def prove_address(name: str, base_url: str, key: str | None = None, *, by: str) -> Proof:
    """Add an address that speaks the OpenAI protocol, with its key or, on an own machine, without one.

    Raises:
        AddressUnusable: it cannot be one, or the name is taken.
        FactoryError: as `prove_key`; an address that never answered is not kept either.
    """
    _needs_real()
    name, base_url = read_maker_name(name), read_address(base_url)
    fresh = read_key(key) if key else None
    trial = Provider(name=name, protocol=Provider.Protocol.OPENAI, base_url=base_url)
    _offers(trial, fresh or NO_KEY)  # before anything is written
    maker = add_maker(name, base_url=base_url, needs_key=fresh is not None, by=by)
    return _prove(maker, fresh or NO_KEY, fresh=fresh, by=by)


def _needs_real() -> None:
    if current_mode() != Mode.REAL:
        raise OnlyRehearsed


def _prove(maker: Provider, key: str, *, fresh: str | None, by: str) -> Proof:
    offers, line = _offers(maker, key)
    if offers is not None and not maker.needs_key:
        keep_offers(maker, offers)  # an own machine's models have a price by being there
    entry = _cheapest(maker, offers)
    reply = _ask(entry, line) if entry else None
    with transaction.atomic():
        if fresh is not None:
            set_key(maker.name, fresh, by=by)
        _note(maker, offers, entry, reply, by=by)
    count = None if offers is None else len(offers)
    if reply is None or entry is None:
        return Proof(maker.name, count)
    return Proof(maker.name, count, entry.name, reply.text[:200], reply.cost_microusd, reply.call_id)


def _note(
    maker: Provider, offers: Sequence[Offer] | None, entry: ModelEntry | None, reply: Reply | None, *, by: str
) -> None:
    """Write down what the check found; a maker that a person added is called from now on."""
    if offers is not None:
        keep_offers(maker, offers)
    if reply is not None:
        Provider.objects.filter(pk=maker.pk).update(proved_at=timezone.now())
    if maker.added_by:
        start_provider(maker.name, by=by)
    audit(
        actor=by, verb="gateway.prove_key", subject=maker.name, offered=None if offers is None else len(offers),
        model=entry.name if entry else "", cost_microusd=reply.cost_microusd if reply else 0,
    )  # fmt: skip


def _offers(maker: Provider, key: str) -> tuple[tuple[Offer, ...] | None, Line]:
    """The maker's own list, None where LiteLLM speaks to it, which knows no lists; and how it is reached."""
    line = transport.line_to(maker, mode=Mode.REAL, key=key)
    if maker.protocol == Provider.Protocol.LITELLM:
        return None, line
    return list_offers(transport.WIRES[maker.protocol], line)[:MOST_MODELS], line


def _cheapest(maker: Provider, offers: Sequence[Offer] | None) -> ModelEntry | None:
    """The model whose small answer costs least, of those that write, that this key has and that have a price."""
    prices = tariffs_on(business_now().date())
    names = None if offers is None else names_offered(offer.name for offer in offers)
    entries = [
        one
        for one in ModelEntry.objects.filter(provider=maker.name, is_enabled=True).select_related("provider")
        if one.pk in prices and (names is None or one.name in names) and "embed" not in one.capabilities
    ]
    return min(entries, key=lambda one: (prices[one.pk].output, prices[one.pk].input, one.name), default=None)


def _ask(entry: ModelEntry, line: Line) -> Reply:
    """Return one word from `entry`: held before it leaves, settled once, written down."""
    ask = Ask(
        agent=WHO,
        assignment_id=new_id(),
        scopes=(),
        system="",
        messages=(Message("user", _QUESTION),),
        max_tokens=_ROOM_TOKENS,
        intent=Intent(task_type="key_check"),
    )
    wire = transport.WIRES[entry.provider.protocol]
    shape = wire.write(ask, model=entry.name, max_tokens=_ROOM_TOKENS)
    body = json.dumps(shape, separators=(",", ":")).encode()
    tariff = tariffs_on(business_now().date())[entry.pk]
    bound = bound_of_body(entry, data=shape, size_bytes=len(body), tariff=tariff, line=line)
    route = Route(entry, body, bound, "key check", mode=current_mode(), tariff=tariff)
    call = open_call(ask, route, fallback_from=None)
    try:
        said = converse(wire, line, body, is_cut=lambda: False, patience=_PATIENCE)
    except ProviderFault as fault:
        close_failed(call, fault)
        raise _in_plain_words(fault, line) from None
    return close_answered(call, said)


def _in_plain_words(fault: ProviderFault, line: Line) -> FactoryError:
    """Say what the owner can do about a check that failed."""
    match fault.kind:
        case "refused_us":
            return KeyRefused(said=fault.words)
        case "rate_limited":
            return MakerBusy(**({"seconds": fault.retry_after_s} if fault.retry_after_s else {}))
        case _:
            return MakerSilent(address=line.base_url, why=fault.words or fault.kind)
