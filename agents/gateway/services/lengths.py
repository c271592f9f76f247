"""An answer that is longer than what was held for it. Source: R-02.18."""

from typing import Final

from agents.gateway.models import Call
from billing.services import extend_hold
from core.errors import FactoryError

BYTES_PER_TOKEN: Final = 16
"""No answer is so thin: who writes more bytes for a token he may write has written too much."""


class LengthMeter:
    """Says when an answer is longer than what was held for it, and no more can be held."""

    def __init__(self, call: Call, *, room_tokens: int) -> None:
        self._call, self.limit_bytes = call, room_tokens * BYTES_PER_TOKEN

    def __call__(self, written_bytes: int) -> bool:
        """Say whether so much is too much; if it is not, as much again is held, and the limit is twice as high."""
        if written_bytes <= self.limit_bytes:
            return False
        more = self._call.bound_microusd
        try:
            extend_hold(self._call.id, more_microusd=more)
        except FactoryError:
            return True
        self._call.bound_microusd += more
        Call.objects.filter(id=self._call.id).update(bound_microusd=self._call.bound_microusd)
        self.limit_bytes *= 2
        return False
