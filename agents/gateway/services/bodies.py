"""What a request that somebody else wrote costs at most."""

from agents.gateway.errors import PriceUnknown
from agents.gateway.models import ModelEntry
from agents.gateway.rules.money import bound_microusd
from agents.gateway.services.routes import tariffs_on
from core.services import business_now

IMAGE_TOKENS = 6_000
"""More than any picture is billed as, whatever its file weighs."""
FREE_MICROUSD = 1
"""What is free is held all the same, so that a full limit refuses it too."""


def bound_of_body(
    entry: ModelEntry,
    *,
    body: bytes,
    max_tokens: int,
    choices: int = 1,
    images: int = 0,
    is_free: bool = False,
) -> int:
    """Return the worst-case price of these bytes at this model, in micro-dollars.

    Raises:
        PriceUnknown: nobody knows what it costs.
    """
    tariff = tariffs_on(business_now().date()).get(entry.pk)
    if tariff is None:
        raise PriceUnknown(models=entry.name)
    if is_free:
        return FREE_MICROUSD
    tokens = len(body) + images * IMAGE_TOKENS
    return max(
        FREE_MICROUSD, bound_microusd(body_bytes=tokens, max_tokens=max_tokens * choices, tariff=tariff)
    )
