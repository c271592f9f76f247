"""How askers fared at each gate, so that a gate that protects nothing can be seen."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

HASTY_S: Final = 5.0
"""Who answers sooner cannot have read it."""
ALWAYS_SHARE: Final = 0.95
ALWAYS_COUNT: Final = 20
"""A gate with so many answers, and a larger share of yes, needs a look. Source: R-12.24."""


@dataclass(frozen=True)
class Answered:
    """One question that is over.

    Attributes:
        answer: `approve`, `reject` or `change`; empty: nobody answered.
        seconds: business time from the question to the answer; None: nobody answered.
        looked_s: machine time from the page to the answer; None: unknown.
    """

    action: str
    asked_by: str
    answer: str
    seconds: float | None
    looked_s: float | None


@dataclass(frozen=True)
class GateRecord:
    """The answers at one gate to one asker.

    Attributes:
        answered: how many of `count` were answered; the others expired.
        median_s: half of the answers took less; None: there was none.
        p90_s: nine in ten took at most this.
        hasty: answers given within 5 seconds after the page was opened.
    """

    action: str
    asked_by: str
    count: int
    answered: int
    approved: int
    rejected: int
    changed: int
    median_s: float | None
    p90_s: float | None
    hasty: int

    @property
    def expired(self) -> int:
        """How many nobody answered."""
        return self.count - self.answered

    @property
    def approved_share(self) -> float | None:
        """Which share of the answers was yes; None: there was no answer."""
        return self.approved / self.answered if self.answered else None

    @property
    def is_always_yes(self) -> bool:
        """Whether it is time to ask what this gate protects."""
        share = self.approved_share
        return self.answered >= ALWAYS_COUNT and share is not None and share > ALWAYS_SHARE


def records_of(over: Iterable[Answered]) -> list[GateRecord]:
    """Return one record for each gate and asker, the busiest first. Source: R-12.24."""
    groups: dict[tuple[str, str], list[Answered]] = defaultdict(list)
    for one in over:
        groups[one.action, one.asked_by].append(one)
    return sorted(
        (_record(*gate, ones) for gate, ones in groups.items()),
        key=lambda record: (-record.count, record.action, record.asked_by),
    )


def _record(action: str, asked_by: str, ones: Sequence[Answered]) -> GateRecord:
    said = [one.answer for one in ones if one.answer]
    spans = sorted(one.seconds for one in ones if one.seconds is not None)
    return GateRecord(
        action=action,
        asked_by=asked_by,
        count=len(ones),
        answered=len(said),
        approved=said.count("approve"),
        rejected=said.count("reject"),
        changed=said.count("change"),
        median_s=median(spans) if spans else None,
        p90_s=spans[math.ceil(0.9 * len(spans)) - 1] if spans else None,
        hasty=sum(one.looked_s is not None and one.looked_s < HASTY_S for one in ones),
    )
