"""What a request that somebody else wrote costs at most."""

import json

from agents.gateway.models import ModelEntry
from agents.gateway.services import bounds

FREE_MICROUSD = 1
"""What is free is held all the same, so that a full limit refuses it too."""


def bound_of_body(entry: ModelEntry, *, body: bytes, writes: bool = True, is_free: bool = False) -> int:
    """Return the worst-case price of these bytes at this model, in micro-dollars; `writes`: an answer in words is asked for.

    Raises:
        PriceUnknown: nobody knows what it costs.
        CostUnbounded: it asks for something whose price has no limit.
    """
    if is_free:
        return FREE_MICROUSD
    return max(
        FREE_MICROUSD, bounds.bound_of_body(entry, data=json.loads(body), size_bytes=len(body), writes=writes)
    )
