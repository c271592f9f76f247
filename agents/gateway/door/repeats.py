"""Which requests have the same answer whenever they are asked. Source: R-02.20."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from agents.gateway.door.plan import FREE_MICROUSD, Plan
from agents.gateway.door.protocols import Wanted
from agents.gateway.errors import CostUnbounded, NotTranslatable
from agents.gateway.models import KeptAnswer
from agents.gateway.services.repeats import recall_answer
from agents.gateway.services.routes import Route

_FRESH = frozenset({"no-store", "no-cache"})
_TELLING = ("anthropic-version", "anthropic-beta")
"""Headers that go on to the provider, and so may change the answer."""


def as_repeatable(wanted: Wanted, headers: Mapping[str, str]) -> object | None:
    """Return all that decides the answer, None where it differs from time to time, or a fresh one is asked for.

    Embeddings are always the same. Of what is written, only what is asked for at temperature 0, once, without tools.
    """
    if _FRESH & set(headers.get("cache-control", "").replace(" ", "").split(",")):
        return None
    data = wanted.body.data
    is_exact = type(data.get("temperature")) in (int, float) and data["temperature"] == 0
    is_alone = wanted.choices == 1 and not data.get("tools")
    if wanted.protocol.name != "embeddings" and not (wanted.protocol.room and is_exact and is_alone):
        return None
    return [wanted.protocol.name, data, [headers.get(name) for name in _TELLING]]


@dataclass(frozen=True)
class Again:
    """An answer that was paid for, and how giving it again is booked."""

    kept: KeptAnswer
    route: Route


def recall(plan: Plan, request: object) -> tuple[str, Again | None]:
    """Return the request's key, and the answer it had before; None: there is none, or its model may not be asked any more."""
    key, kept = recall_answer(request, scopes=plan.session.rights.scopes)
    route = _route_again(plan, kept) if kept is not None else None
    return key, None if kept is None or route is None else Again(kept, route)


def _route_again(plan: Plan, kept: KeptAnswer) -> Route | None:
    """Return how it is booked, which costs nothing."""
    way = next((way for way in plan.ways if way.offer.model.pk == kept.call.model_id), None)
    if way is None:
        return None
    with suppress(NotTranslatable, CostUnbounded):
        return replace(way.route, bound_microusd=FREE_MICROUSD, reason="the very same was asked before")
    return None
