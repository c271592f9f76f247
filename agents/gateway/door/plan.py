"""What a request becomes: whom it may reach, in which words, and what that costs at most."""

from collections.abc import Sequence
from dataclasses import dataclass

from agents.gateway.adapters.keyring import reachable
from agents.gateway.adapters.transport import WIRES, Place, place_of
from agents.gateway.door.protocols import COUNT_TOKENS, RESPONSES, Wanted
from agents.gateway.door.speech import Native, Speech
from agents.gateway.door.translating import translated
from agents.gateway.errors import BadAsk, ModelForbidden, ModelUnknown, NotTranslatable, Stopped
from agents.gateway.models import Call, ModelEntry, Provider
from agents.gateway.ports import Ask, Intent
from agents.gateway.services.bodies import bound_of_body
from agents.gateway.services.records import open_call
from agents.gateway.services.routes import Route
from agents.gateway.services.sessions import Session, session_of
from agents.roster.rules import EngineRights
from core.models import Mode
from core.services import current_mode, is_stopped


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


def plan_of(secret: str, wanted: Wanted) -> Plan:
    """Return whom this request may reach, the cheapest first.

    Raises:
        TokenEnded: the token opens nothing.
        ModelForbidden, ModelUnknown: it may not be asked, or is not here.
        BadAsk: nobody says how much may be written.
        PriceUnknown: nobody knows what it costs.
        NotTranslatable: whoever serves it speaks another protocol, in which this cannot be said.
    """
    session = session_of(secret)
    max_tokens = _room(wanted, session.rights)
    ways = [
        _way(entry, wanted=wanted, max_tokens=min(max_tokens, entry.max_output_tokens))
        for entry in entries_for(session.rights, name=wanted.model)
    ]
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
    return Plan(session, ask, sorted(ways, key=lambda way: way.route.bound_microusd))


def open_way(plan: Plan, way: Way, *, fallback_from: Call | None) -> tuple[Call, Place]:
    """Hold the worst case and write the row; return it, and where the model is reached.

    Raises:
        BudgetBusy, BudgetExceeded: nothing was held, nothing written.
        Stopped: everything is stopped.
    """
    if is_stopped():
        raise Stopped
    place = place_of(way.route.model.provider, mode=current_mode())
    return open_call(plan.ask, way.route, fallback_from=fallback_from), place


def entries_for(rights: EngineRights, *, name: str = "") -> list[ModelEntry]:
    """Return the models in reach that this run may ask: of this name, with or without its provider; empty: all.

    Raises:
        ModelForbidden, ModelUnknown: of this name there is none.
    """
    entries = ModelEntry.objects.filter(provider__is_enabled=True).select_related("provider").order_by("pk")
    if name:
        provider, _, bare = name.rpartition("/")
        entries = entries.filter(name=name) | entries.filter(name=bare, provider=provider)
    in_reach = reachable(mode=current_mode())
    found = [entry for entry in entries if entry.provider_id in in_reach]
    allowed = [entry for entry in found if not rights.may_ask or {entry.name, str(entry)} & {*rights.may_ask}]
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


def _way(entry: ModelEntry, *, wanted: Wanted, max_tokens: int) -> Way:
    speech = speech_of(entry, wanted=wanted)
    body = speech.write(wanted, model=entry.name, max_tokens=max_tokens)
    bound = bound_of_body(
        entry, body=body, writes=bool(wanted.protocol.room), is_free=wanted.protocol is COUNT_TOKENS
    )
    return Way(Route(entry, body, bound, f"asked by name at {wanted.protocol.path}"), speech)


def speech_of(entry: ModelEntry, *, wanted: Wanted) -> Speech:
    """Return how the model's provider is spoken to: in the words that came, where it knows them.

    Raises:
        NotTranslatable: it does not know them, and they cannot be said in its own.
    """
    provider, door = entry.provider, wanted.protocol
    known = _KNOWN.get(provider.protocol, frozenset())
    if door.name in known or (door is RESPONSES and is_answering_responses(provider)):
        return Native(door)
    if provider.protocol not in WIRES:
        raise NotTranslatable(door=door.path, provider=provider.name)
    return translated(wanted, wire=WIRES[provider.protocol])


_KNOWN = {"openai": frozenset({"chat", "embeddings"}), "anthropic": frozenset({"messages", "count_tokens"})}
"""The doors whose words a provider of this protocol knows."""


def is_answering_responses(provider: Provider) -> bool:
    """Say whether `provider` knows the responses protocol: only its inventor's own address does for sure."""
    return provider.name == "openai" and current_mode() == Mode.REAL
