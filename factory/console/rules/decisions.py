"""The owner's time with decisions, in a few numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from approvals.rules import GateRecord

GOAL_S: Final = 30.0
"""How long a decision should take at most. Source: R-12.25."""
ASK_WORDS: Final = {
    "pipeline.build": "Build a product",
    "delivery.release": "Open a version",
    "quality.waive_provider": "A review by the author’s own model maker",
}

CHANNEL_WORDS: Final = {
    "page": "on a page",
    "rest": "through the API",
    "admin": "in the admin",
    "cli": "on the command line",
}


@dataclass(frozen=True)
class Load:
    """The answers of the last month.

    Attributes:
        median_s: half of the gates' medians are below; None: nothing was answered.
        p90_s: the slowest gate's nine in ten; None: nothing was answered.
    """

    records: tuple[GateRecord, ...]
    answered: int
    expired: int
    hasty: int
    median_s: float | None
    p90_s: float | None

    @property
    def always_yes(self) -> list[GateRecord]:
        """The gates that may protect nothing."""
        return [record for record in self.records if record.is_always_yes]


def load_of(records: Sequence[GateRecord]) -> Load:
    """Return the sums over all gates."""
    halves = [record.median_s for record in records if record.median_s is not None]
    ends = [record.p90_s for record in records if record.p90_s is not None]
    return Load(
        records=tuple(records),
        answered=sum(record.answered for record in records),
        expired=sum(record.expired for record in records),
        hasty=sum(record.hasty for record in records),
        median_s=median(halves) if halves else None,
        p90_s=max(ends, default=None),
    )


def ask_in_words(action: str) -> str:
    """Return what an action is called on a page."""
    return ASK_WORDS.get(action, action.rpartition(".")[2].replace("_", " ").capitalize())
