"""A request that names no model: what it wants is read, and the router chooses. Source: R-02.1, R-02.3."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from agents.gateway.door.protocols import Wanted
from agents.gateway.rules.intent import read_intent, read_wish
from agents.gateway.rules.money import likely_tokens
from agents.gateway.rules.reading import Unbounded, read_request
from agents.gateway.rules.route import Intent, Quality, in_order, reason_for
from agents.gateway.services.catalogue import Offer
from agents.gateway.services.routes import able
from agents.roster.models import Agent

_RANKS: Final[tuple[Quality, ...]] = ("acceptable", "good", "best")
_CAN: Final = {"tools": "tools", "response_format": "json", "output_config": "json", "output_format": "json"}


def is_open(wanted: Wanted) -> bool:
    """Say whether the request leaves the choice of its model to the router."""
    return bool(wanted.protocol.room) and read_wish(wanted.model) is not None


def intent_for(wanted: Wanted, *, agent: str, room: int) -> Intent:
    """Return what is wanted: what the name says, else what the agent's file says, lowered where the prompt is simple.

    An agent whose file says `best` keeps that.
    """
    wish, speed = read_wish(wanted.model) or (None, "normal")
    read = read_intent(
        _texts(wanted),
        prompt_tokens=likely_tokens(len(wanted.body.text)),
        room=room,
        has_tools=bool(wanted.body.data.get("tools")),
    )
    return replace(read, quality=wish or _lowered(agent, read.quality), speed=speed)


def _lowered(agent: str, read: Quality) -> Quality:
    row = Agent.objects.named(agent).first()
    own: Quality = row.definition.quality if row else "good"
    return own if own == "best" else min(own, read, key=_RANKS.index)


def _texts(wanted: Wanted) -> Sequence[str]:
    try:
        return read_request(wanted.body.data, writes=False).texts
    except Unbounded:  # whoever bounds it says so in words
        return ()


def chosen(
    found: Sequence[Offer], wanted: Wanted, *, intent: Intent, room: int
) -> Iterator[tuple[Offer, str]]:
    """Yield the models that may serve it, first choice first, each with the reason."""
    needs = {can for name, can in _CAN.items() if wanted.body.data.get(name)} | (
        {"vision"} if wanted.images else set()
    )
    candidates = able(found, needs=needs, tokens=likely_tokens(len(wanted.body.text)), max_tokens=room)
    for candidate in in_order(candidates, intent):
        yield candidate.of, f"auto: {reason_for(intent, candidate)}"
