"""What a request becomes: whom it may reach, in which words, and what that costs at most."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from agents.gateway.adapters.transport import WIRES, Place, place_of
from agents.gateway.door.choosing import chosen, intent_for, is_open
from agents.gateway.door.protocols import COUNT_TOKENS, RESPONSES, Wanted
from agents.gateway.door.speech import Native, Speech
from agents.gateway.door.translating import translated
from agents.gateway.errors import (
    BadAsk,
    CostUnbounded,
    LaneBusy,
    ModelForbidden,
    ModelUnknown,
    NoCapableModel,
    NotTranslatable,
    PriceUnknown,
    Stopped,
)
from agents.gateway.models import Call, ModelEntry, Provider
from agents.gateway.ports import Ask, Intent
from agents.gateway.rules.retry import MAX_ATTEMPTS
from agents.gateway.services.bounds import bound_of_body
from agents.gateway.services.catalogue import Offer, Offers, shelf
from agents.gateway.services.records import open_call
from agents.gateway.services.routes import Route, one_tier_down
from agents.gateway.services.sessions import Session, session_of
from agents.roster.rules import EngineRights
from billing.errors import BudgetBusy, SwitchSet
from billing.services.scopes import terms_of_call
from core.models import Mode
from core.registry import Json
from core.services import is_stopped


@dataclass(frozen=True)
class Way:
    """One model to try, and how it is spoken to."""

    route: Route
    speech: Speech


@dataclass(frozen=True)
class Plan:
    """Everything a call through the door needs."""

    session: Session
    ask: Ask
    ways: Sequence[Way]


Opened = tuple[Call, Place] | BudgetBusy | LaneBusy
"""A call that may leave, or what it waits for."""


def plan_of(secret: str, wanted: Wanted) -> Plan:
    """Return whom this request may reach: of a name, the cheapest first; where it names none, as the router chooses.

    Raises:
        TokenEnded: the token opens nothing.
        ModelForbidden, ModelUnknown: it may not be asked, or is not here.
        BadAsk: nobody says how much may be written.
        PriceUnknown: nobody knows what it costs.
        NotTranslatable: whoever serves it speaks another protocol, in which this cannot be said.
    """
    session, here = session_of(secret), shelf()
    max_tokens = _room(wanted, session.rights)
    ask = Ask(
        agent=session.agent,
        assignment_id=session.assignment_id,
        scopes=session.rights.scopes,
        system="",
        messages=(),
        max_tokens=max_tokens,
        intent=Intent(),
        correlation_id=session.rights.correlation_id,
    )
    if is_open(wanted):
        ask = replace(ask, intent=intent_for(wanted, agent=session.agent, room=max_tokens))
        ask = one_tier_down(ask, terms_of_call(ask.scopes, moment=here.now))
        found = _allowed(here.offers, session.rights)
        return Plan(session, ask, _chosen_ways(found, wanted, ask=ask, mode=here.mode))
    named = _allowed(here.offers, session.rights, name=wanted.model)
    ways = [_way(offer, wanted=wanted, max_tokens=max_tokens, mode=here.mode) for offer in named]
    return Plan(session, ask, sorted(ways, key=lambda way: way.route.bound_microusd))


def _chosen_ways(found: Sequence[Offer], wanted: Wanted, *, ask: Ask, mode: str) -> list[Way]:
    """Return the first few that the router chooses and this can be said to.

    Raises:
        NoCapableModel: there is none.
    """
    ways: list[Way] = []
    for offer, reason in chosen(found, wanted, intent=ask.intent, room=ask.max_tokens):
        with suppress(NotTranslatable, CostUnbounded):
            way = _way(offer, wanted=wanted, max_tokens=ask.max_tokens, mode=mode)
            ways.append(replace(way, route=replace(way.route, reason=reason)))
        if len(ways) == MAX_ATTEMPTS:
            break
    if not ways:
        raise NoCapableModel(quality=ask.intent.quality)
    return ways


def begin(secret: str, wanted: Wanted) -> tuple[Plan, Opened]:
    """Return the plan and its first way, opened if nothing else holds the money: all that a call needs before it leaves.

    Raises:
        FactoryError: as `plan_of` and `open_way`.
    """
    plan = plan_of(secret, wanted)
    try:
        return plan, open_way(plan, plan.ways[0], fallback_from=None)
    except (BudgetBusy, LaneBusy) as busy:
        return plan, busy


def open_way(plan: Plan, way: Way, *, fallback_from: Call | None) -> tuple[Call, Place]:
    """Hold the worst case and write the row; return it, and where the model is reached.

    Raises:
        BudgetBusy, BudgetExceeded: nothing was held, nothing written.
        Stopped: everything is stopped.
    """
    place = place_of(way.route.model.provider, mode=way.route.mode)
    try:
        return open_call(plan.ask, way.route, fallback_from=fallback_from), place
    except SwitchSet as off:
        raise (Stopped() if is_stopped() else off) from off


def offers_for(rights: EngineRights, *, name: str = "") -> list[Offer]:
    """Return the models in reach that this run may ask: of this name, with or without its provider; empty: all.

    Raises:
        ModelForbidden, ModelUnknown: of this name there is none.
    """
    return _allowed(shelf().offers, rights, name=name)


def _allowed(offers: Offers, rights: EngineRights, *, name: str = "") -> list[Offer]:
    found = offers.by_name.get(name, ()) if name else offers
    asked = set(rights.may_ask)
    allowed = [offer for offer in found if not asked or asked & {offer.model.name, offer.name}]
    if name and not found:
        raise ModelUnknown(model=name)
    if name and not allowed:
        raise ModelForbidden(model=name)
    return allowed


def _room(wanted: Wanted, rights: EngineRights) -> int:
    if not wanted.protocol.room:
        return 0
    max_tokens = wanted.max_tokens or rights.max_tokens
    if max_tokens is None:
        raise BadAsk(missing=wanted.protocol.room[0])
    return max_tokens


def _way(offer: Offer, *, wanted: Wanted, max_tokens: int, mode: str) -> Way:
    entry = offer.model
    speech = speech_of(entry, wanted=wanted, mode=mode)
    written = speech.write(wanted, model=entry.name, max_tokens=min(max_tokens, entry.max_output_tokens))
    bound = bound_of(
        offer,
        written.data,
        written.body,
        writes=bool(wanted.protocol.room),
        is_free=wanted.protocol is COUNT_TOKENS,
        mode=mode,
    )
    reason = f"asked by name at {wanted.protocol.path}"
    return Way(Route(entry, written.body, bound, reason, mode=mode, tariff=offer.tariff), speech)


def bound_of(offer: Offer, data: Json, body: bytes, *, writes: bool, is_free: bool, mode: str) -> int:
    """Return the worst-case price of a request, in micro-dollars; `writes`: an answer in words is asked for.

    Raises:
        PriceUnknown: nobody knows what it costs.
        CostUnbounded: it asks for something whose price has no limit.
    """
    if offer.tariff is None:
        raise PriceUnknown(models=offer.model.name)
    if is_free:
        return FREE_MICROUSD
    bound = bound_of_body(
        offer.model, data=data, size_bytes=len(body), tariff=offer.tariff, writes=writes, mode=mode
    )
    return max(FREE_MICROUSD, bound)


FREE_MICROUSD = 1
"""What is free is held all the same, so that a full limit refuses it too."""


def speech_of(entry: ModelEntry, *, wanted: Wanted, mode: str) -> Speech:
    """Return how the model's provider is spoken to: in the words that came, where it knows them.

    Raises:
        NotTranslatable: it does not know them, and they cannot be said in its own.
    """
    provider, door = entry.provider, wanted.protocol
    known = _KNOWN.get(provider.protocol, frozenset())
    if door.name in known or (door is RESPONSES and is_answering_responses(provider, mode=mode)):
        return Native(door)
    if provider.protocol not in WIRES:
        raise NotTranslatable(door=door.path, provider=provider.name)
    return translated(wanted, wire=WIRES[provider.protocol])


_KNOWN = {
    "openai": frozenset({"chat", "embeddings"}),
    "compatible": frozenset({"chat", "embeddings"}),
    "anthropic": frozenset({"messages", "count_tokens"}),
}
"""The doors whose words a provider of this protocol knows."""


def is_answering_responses(provider: Provider, *, mode: str) -> bool:
    """Say whether `provider` knows the responses protocol: only its inventor's own address does for sure."""
    return provider.name == "openai" and mode == Mode.REAL
