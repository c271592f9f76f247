"""What a request becomes: whom it may reach, in which words, and what that costs at most."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import itemgetter

from django.utils.functional import cached_property  # that of functools has one lock for all

from agents.gateway.adapters.openai import OpenAIWire
from agents.gateway.adapters.transport import WIRES, Place, place_of
from agents.gateway.door.choosing import chosen, intent_for, is_open
from agents.gateway.door.protocols import CHAT, COUNT_TOKENS, EMBEDDINGS, RESPONSES, Wanted
from agents.gateway.door.speech import Native, Speech
from agents.gateway.door.translating import translated
from agents.gateway.errors import (
    AllProvidersDown,
    BadAsk,
    CostUnbounded,
    LaneBusy,
    ModelForbidden,
    ModelUnknown,
    NoCapableModel,
    NotTranslatable,
    PriceUnknown,
    ProviderFault,
    RateLimited,
    Stopped,
)
from agents.gateway.models import Call, ModelEntry, Provider
from agents.gateway.ports import Ask, Intent
from agents.gateway.rules.route import tiers_for
from agents.gateway.services.bounds import bound_of_body
from agents.gateway.services.catalogue import Offer, Offers, shelf
from agents.gateway.services.records import open_call
from agents.gateway.services.routes import Route, one_tier_down
from agents.gateway.services.sessions import Session, care_in, session_of
from agents.gateway.services.turns import Turns
from agents.roster.rules import EngineRights
from billing.errors import BudgetBusy, BudgetExceeded, SwitchSet, TierSpent
from billing.services.refusals import ONE_CALL
from billing.services.scopes import terms_of_call
from core.errors import FactoryError
from core.models import Mode
from core.registry import Json
from core.services import is_stopped


@dataclass(eq=False)
class Way:
    """One model that may be tried; its request is written, and bounded, when it is its turn."""

    offer: Offer
    reason: str
    wanted: Wanted
    max_tokens: int
    mode: str

    @cached_property
    def speech(self) -> Speech:
        """How it is spoken to.

        Raises:
            NotTranslatable: this cannot be said to it.
        """
        return speech_of(self.offer.model, wanted=self.wanted, mode=self.mode)

    @cached_property
    def route(self) -> Route:
        """The request as it would leave, and its bound; its provider may be asked to count.

        Raises:
            NotTranslatable, CostUnbounded, PriceUnknown: it cannot be said to it, or nobody knows what that costs.
        """
        entry, door = self.offer.model, self.wanted.protocol
        room = min(self.max_tokens, entry.max_output_tokens)
        written = self.speech.write(self.wanted, model=entry.name, max_tokens=room)
        bound = bound_of(
            self.offer,
            written.data,
            written.body,
            writes=bool(door.room),
            is_free=door is COUNT_TOKENS,
            mode=self.mode,
        )
        return Route(entry, written.body, bound, self.reason, mode=self.mode, tariff=self.offer.tariff)


@dataclass(frozen=True)
class Plan:
    """Everything a call through the door needs; one call's own, for `turns` knows what became of each way."""

    session: Session
    ask: Ask
    ways: Sequence[Way]
    turns: Turns


@dataclass(frozen=True)
class Ready:
    """A call that may leave."""

    call: Call
    place: Place
    way: Way


Busy = BudgetBusy | LaneBusy
"""What a call waits for that would fit but for others."""


def plan_of(secret: str, wanted: Wanted) -> Plan:
    """Return whom this request may reach: of a name, the cheapest first; where it names none, as the router chooses.

    Raises:
        TokenEnded: the token opens nothing.
        ModelForbidden, ModelUnknown: it may not be asked, or is not here.
        BadAsk: nobody says how much may be written.
        PriceUnknown, CostUnbounded: nobody knows what it costs.
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
        intent=session.care.over(Intent()),
        correlation_id=session.rights.correlation_id,
    )
    if is_open(wanted):
        wish = intent_for(wanted, agent=session.agent, room=max_tokens)
        ask = replace(ask, intent=session.care.over(wish))
        ask = one_tier_down(ask, terms_of_call(ask.scopes, moment=here.now))
        found = _allowed(here.offers, session.rights)
        picked = chosen(found, wanted, intent=ask.intent, room=max_tokens)
        ways = [Way(offer, reason, wanted, max_tokens, here.mode) for offer, reason in picked]
        return _plan(session, ask, ways)
    named = _allowed(here.offers, session.rights, name=wanted.model)
    reason = f"asked by name at {wanted.protocol.path}"
    ways = [Way(offer, reason, wanted, max_tokens, here.mode) for offer in named]
    return _plan(session, ask, _cheapest_first(ways))


def _cheapest_first(ways: Sequence[Way]) -> list[Way]:
    """Leave out who cannot be asked this, as long as another can."""
    able, refusals = [], list[FactoryError]()
    for way in ways:
        try:
            able.append((way.route.bound_microusd, way))
        except (NotTranslatable, CostUnbounded, PriceUnknown) as refusal:
            refusals.append(refusal)
    if not able:
        raise refusals[0]
    return [way for _, way in sorted(able, key=itemgetter(0))]


def _plan(session: Session, ask: Ask, ways: Sequence[Way]) -> Plan:
    return Plan(session, ask, ways, Turns([way.offer.model for way in ways]))


def begin(secret: str, wanted: Wanted) -> tuple[Plan, Ready | Busy]:
    """Return the plan and its first way, opened if nothing else holds the money: all that a call needs before it leaves.

    Raises:
        FactoryError: as `plan_of` and `open_turn`; nobody may be asked.
    """
    plan = plan_of(secret, wanted)
    try:
        while step := plan.turns.next():
            if ready := open_turn(plan, step.place, fallback_from=None):
                return plan, ready
    except (BudgetBusy, LaneBusy) as busy:
        return plan, busy
    raise nobody(plan)


def open_turn(plan: Plan, place: int, *, fallback_from: Call | None) -> Ready | None:
    """Open the way at this place; None: it cannot serve, and the plan passes it over.

    Raises:
        FactoryError: as `open_way`, where no other way could do better.
    """
    way = plan.ways[place]
    try:
        return Ready(*open_way(plan, way.route, fallback_from=fallback_from), way)
    except (NotTranslatable, CostUnbounded):
        plan.turns.skip(place)
    except ProviderFault as fault:
        plan.turns.leave_out(place, fault)
    except (TierSpent, SwitchSet) as refusal:
        plan.turns.refuse(place, refusal)
    except BudgetExceeded as refusal:
        if refusal.facts.get("layer") != ONE_CALL:
            raise
        plan.turns.skip(place, refusal)  # it costs more than one call may; the next one may do
    return None


def nobody(plan: Plan) -> FactoryError:
    """Return why nobody answers: how those failed that were asked, what refused the last, or that nobody can do it."""
    if plan.turns.faults:
        return _outage(plan.turns.faults)
    return plan.turns.refusal or NoCapableModel(quality=plan.ask.intent.quality)


def _outage(faults: Sequence[ProviderFault]) -> FactoryError:
    """What the provider says of the request itself goes back as it is; the rest is an outage."""
    if faults[-1].kind == "refused_request":
        return faults[-1]
    tried = "; ".join(f"{fault.kind} {fault.words}".strip() for fault in faults)
    is_limited = all(fault.kind == "rate_limited" for fault in faults)
    return RateLimited(tried=tried) if is_limited else AllProvidersDown(tried=tried)


def open_way(plan: Plan, route: Route, *, fallback_from: Call | None) -> tuple[Call, Place]:
    """Hold the worst case and write the row; return it, and where the model is reached.

    Raises:
        BudgetBusy, LaneBusy, TierSpent, BudgetExceeded, SwitchSet: nothing was held, nothing written.
        ProviderFault: it cannot be reached from here.
        Stopped: everything is stopped.
    """
    place = place_of(route.model.provider, mode=route.mode)
    try:
        return open_call(plan.ask, route, fallback_from=fallback_from), place
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
    asked, tiers = set(rights.may_ask), tiers_for(care_in(rights))
    allowed = [
        offer
        for offer in found
        if offer.model.tier in tiers and (not asked or asked & {offer.model.name, offer.name})
    ]
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
        wire = WIRES.get(provider.protocol)
        if door is EMBEDDINGS or not isinstance(wire, OpenAIWire):
            return Native(door)
        return Native(door, room=wire.room if door is CHAT else "", tier=wire.tier)
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
