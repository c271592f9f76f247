"""The desk check: what is known of a market before a page is shown to anybody, for no money.

Source: R-10.5. What is unknown is said to be unknown; it stops nothing by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from portfolio.rules.opportunity import PASSING_POINTS
from portfolio.rules.scoring import Part


@dataclass(frozen=True)
class DeskLine:
    """One question of the desk check and what is known of it; None is unknown."""

    question: str
    answer: str | None


@dataclass(frozen=True)
class DeskCheck:
    """The answers, and whether a traffic test is worth its money."""

    lines: tuple[DeskLine, ...]
    passed: bool
    reason: str


def check_desk(*, points: float | None, parts: Sequence[Part], is_owners: bool = False) -> DeskCheck:
    """Give the desk check of an opportunity with `points` and stored `parts`; an owner's idea needs no points."""
    found = {part.name: part.found for part in parts if part.value is not None}
    lines = (
        DeskLine("How many look for it?", found.get("demand")),
        DeskLine("What do they pay elsewhere?", found.get("money")),
        DeskLine("How weak is what there is?", found.get("weakness")),
        DeskLine("Where does the interest go?", found.get("trend")),
        DeskLine("How hard is it to be found by searching?", None),
        DeskLine("How large is the market?", None),
    )
    if is_owners:
        return DeskCheck(lines, passed=True, reason="the owner asked for it")
    if points is None or points < PASSING_POINTS:
        return DeskCheck(lines, passed=False, reason=f"a score of {PASSING_POINTS} is needed")
    return DeskCheck(lines, passed=True, reason=f"{points:g} points")
