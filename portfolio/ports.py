"""What the portfolio needs of the outside world."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from portfolio.rules.landscape import Chart, Point, Sketch


class Landscape(Protocol):
    """Reads the meaning of texts and groups signals by it.

    `known` are meanings read before, by text; every answer brings those it had to read anew.
    `older` are the centres of opportunities that stood before, by name.
    """

    def chart(
        self,
        points: Sequence[Point],
        *,
        stored: Mapping[str, str],
        older: Mapping[str, str],
        known: Mapping[str, str],
    ) -> Chart:
        """Give the groups of `points`, which come in canonical order.

        `stored` is the group each point was in at the last scan, by key; new points begin alone.

        Raises:
            ModelMissing: the sentence model is not on this machine.
        """

    def sketch(self, text: str, *, older: Mapping[str, str], known: Mapping[str, str]) -> Sketch:
        """Give where a lone text stands.

        Raises:
            ModelMissing: the sentence model is not on this machine.
        """
