"""What a build is expected to cost and how long it works: from builds that ended, or from arithmetic of tokens."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Final

from core.money import in_words

OVERRUN: Final = Fraction(3, 2)
"""Retries and growing context come on top of plain arithmetic. Source: R-02.31, R-08.24."""
CACHED_SHARE: Final = Fraction(3, 10)
"""How much of a prompt is expected to be read from a cache. Source: R-02.19, R-08.24."""
WRITTEN_TOKENS_A_SECOND: Final = 50
FIRST_WORD_S: Final = 5
_CENT_MICROUSD = 10_000
_FEW = 3
"""From so many builds on, their own spread counts; below it the range is widened."""


@dataclass(frozen=True)
class Effort:
    """What one kind of step takes of a model, at the least and at the most.

    Attributes:
        calls: how often the model is asked; a coder's every look at a file is one.
        first_prompt: tokens of the first prompt: rules, tools and brief.
        growth: tokens by which every later prompt is longer than the one before.
        answer: tokens of one answer.
        other_s: seconds beside the model: tests, packing, driving the product.
    """

    calls: tuple[int, int]
    first_prompt: int
    growth: int
    answer: int
    other_s: tuple[int, int] = (0, 0)


CODE: Final = Effort((6, 20), first_prompt=6_000, growth=1_500, answer=1_200, other_s=(20, 120))
MEND: Final = Effort((0, 30), first_prompt=7_000, growth=1_500, answer=800, other_s=(0, 300))
REVIEW: Final = Effort((1, 4), first_prompt=7_000, growth=2_000, answer=2_500, other_s=(60, 600))
NO_MODEL: Final = Effort((0, 0), first_prompt=0, growth=0, answer=0, other_s=(5, 60))


@dataclass(frozen=True)
class Rates:
    """Prices of the model that would serve, in micro-dollars per million tokens."""

    input: int
    output: int
    cached: int


@dataclass(frozen=True)
class Part:
    """One line of a quote; `low` and `high` None: not known, because no model would serve it."""

    name: str
    agent: str
    model: str
    low_microusd: int | None
    high_microusd: int | None
    low_s: int
    high_s: int


@dataclass(frozen=True)
class Spent:
    """What one part took in one build that ended."""

    cost_microusd: int
    seconds: float


def by_tokens(name: str, efforts: Sequence[Effort], *, agent: str, model: str, rates: Rates | None) -> Part:
    """Return one part by arithmetic: the calls of all its steps at these prices, half as much again. Source: R-08.24."""
    is_paid = any(effort.calls[1] for effort in efforts)
    low_s, high_s = (round(OVERRUN * sum(_seconds(effort, end) for effort in efforts)) for end in (0, 1))
    if not is_paid:
        return Part(name, agent, "", 0, 0, low_s, high_s)
    if rates is None:
        return Part(name, agent, "", None, None, low_s, high_s)
    low, high = (ceil(OVERRUN * sum(_cost(effort, end, rates) for effort in efforts)) for end in (0, 1))
    return Part(name, agent, model, low, high, low_s, high_s)


def _cost(effort: Effort, end: int, rates: Rates) -> Fraction:
    calls = effort.calls[end]
    read = calls * effort.first_prompt + effort.growth * calls * (calls - 1) // 2
    rate = CACHED_SHARE * rates.cached + (1 - CACHED_SHARE) * rates.input
    return (read * rate + calls * effort.answer * rates.output) / Fraction(1_000_000)


def _seconds(effort: Effort, end: int) -> Fraction:
    calls = effort.calls[end]
    return calls * (FIRST_WORD_S + Fraction(effort.answer, WRITTEN_TOKENS_A_SECOND)) + effort.other_s[end]


def by_builds(name: str, spent: Sequence[Spent], *, agent: str, model: str) -> Part:
    """Return one part by what it took in builds that ended: their spread, widened while they are few."""
    costs, times = [one.cost_microusd for one in spent], [one.seconds for one in spent]
    slack = 1 / OVERRUN if len(spent) < _FEW else Fraction(9, 10)
    return Part(
        name, agent, model,
        int(min(costs) * slack), ceil(max(costs) / slack), int(min(times) * slack), ceil(max(times) / slack),
    )  # fmt: skip


@dataclass(frozen=True)
class Range:
    """From, to, and what is not known of it."""

    low: int
    high: int
    unknown: tuple[str, ...] = ()

    @property
    def least(self) -> int | None:
        """What it costs at least; None: nothing of it is known."""
        return None if self.unknown and not self.low else self.low

    @property
    def most(self) -> int | None:
        """What it costs at most; None: a part of it is not known."""
        return None if self.unknown else self.high

    @property
    def words(self) -> str:
        """The range as people read it; what is not known is no zero."""
        if self.most is not None:
            return f"{in_words(self.low)} to {in_words(self.high)}"
        return f"at least {in_words(self.low)}" if self.low >= _CENT_MICROUSD else in_words(None)


def cost_of(parts: Iterable[Part], *, stop_microusd: int) -> Range:
    """Return what all parts cost together, never above where the build stops by itself."""
    known = [one for one in parts if one.low_microusd is not None and one.high_microusd is not None]
    names = {one.name for one in known}
    low, high = sum(one.low_microusd or 0 for one in known), sum(one.high_microusd or 0 for one in known)
    missing = tuple(one.name for one in parts if one.name not in names)
    return Range(min(low, stop_microusd), min(high, stop_microusd), missing)


def days_at(day_cap_microusd: int, cost: Range) -> tuple[int, int] | None:
    """Return how many days the money takes at this limit a day; None: nothing may be spent, or the end is not known."""
    if day_cap_microusd <= 0 or cost.most is None:
        return None
    return max(1, ceil(cost.low / day_cap_microusd)), max(1, ceil(cost.high / day_cap_microusd))


PARTS: Final[Mapping[str, str]] = {
    "scaffold": "Frame",
    "core": "Code",
    "api": "Code",
    "integration": "Code",
    "pages": "Pages",
    "test": "Tests and breaking",
    "mend": "Mending",
    "deploy": "Release trial",
}
"""What a part of a plan is called in a quote."""
ORDER: Final = tuple(dict.fromkeys(PARTS.values()))
EFFORTS: Final[Mapping[str, Effort]] = {
    "scaffold": NO_MODEL, "core": CODE, "api": CODE, "integration": CODE, "pages": CODE, "test": REVIEW, "mend": MEND,
    "deploy": NO_MODEL,
}  # fmt: skip


def in_hours(seconds: int) -> str:
    """Return a length of work as people say it."""
    minutes = max(1, round(seconds / 60))
    return f"{minutes} min" if minutes < 90 else f"{round(minutes / 60)} h"
