"""What a trace store must do."""

from collections.abc import Sequence
from typing import Protocol

from factory.insight.rules.observations import Observation, Score


class Store(Protocol):
    """Keeps traces elsewhere; told again, it holds the same."""

    def send(self, observations: Sequence[Observation], scores: Sequence[Score]) -> int:
        """Take all of it; return how many it did not take, and never will.

        Raises:
            StoreSilent: not now.
            StoreRefused: never.
            NotAtOnce: perhaps in smaller parts.
        """
