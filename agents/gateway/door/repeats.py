"""Which requests have the same answer whenever they are asked. Source: R-02.20."""

from collections.abc import Mapping
from dataclasses import replace

from agents.gateway.door.plan import FREE_MICROUSD, Plan, Way
from agents.gateway.door.protocols import Wanted
from agents.gateway.models import KeptAnswer

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


def way_again(plan: Plan, kept: KeptAnswer) -> Way | None:
    """Return how the kept answer is booked, which costs nothing; None: its model may not be asked any more."""
    way = next((way for way in plan.ways if way.route.model.pk == kept.call.model_id), None)
    if way is None:
        return None
    return replace(
        way, route=replace(way.route, bound_microusd=FREE_MICROUSD, reason="the very same was asked before")
    )
