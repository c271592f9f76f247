"""How promising an opportunity is: six parts, each known or unknown, and the range the unknown ones leave.

Source: R-10.4. A part without data is unknown, not zero.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final, Literal

from portfolio.rules.signals import Signal, span_of
from portfolio.rules.words import PhraseList, known_phrases, wording

WEIGHTS: Final = {"demand": 25, "weakness": 20, "money": 15, "ease": 15, "speed": 15, "trend": 10}
FULL_WEIGHT: Final = sum(WEIGHTS.values())
WINDOW_DAYS: Final = 30
LEAST_VOICES: Final = 3
SELLERS: Final = frozenset({"blog", "docs", "launch", "ad", "press"})
TRENDS: Final = {"rising": 1.0, "flat": 0.5, "falling": 0.0}

Trend = Literal["rising", "flat", "falling"]


@dataclass(frozen=True)
class Part:
    """One part of a score.

    Attributes:
        value: 0 to 1; None is unknown.
        found: how it was found, in words.
    """

    name: str
    weight: int
    value: float | None
    found: str


@dataclass(frozen=True)
class Score:
    """What the known parts say, and between what the rest leaves it.

    Attributes:
        points: 0 to 100 over the known parts; None if none is known.
        low: with every unknown part at 0.
        high: with every unknown part at 1.
        known_weight: share (0 to 1) of the weight that is known.
        calibration: factor of the category, 1 until the owner releases another.
    """

    parts: tuple[Part, ...]
    points: float | None
    low: float
    high: float
    known_weight: float
    calibration: float = 1.0


@dataclass(frozen=True)
class Outside:
    """What texts cannot tell: taken from dated data with a source, unknown without."""

    searches_per_month: int | None = None
    trend: Trend | None = None
    funded_incumbents: tuple[str, ...] = ()


NOTHING_OUTSIDE: Final = Outside()


@dataclass(frozen=True)
class Hard:
    """Something that makes a build one step harder."""

    name: str
    phrases: PhraseList


@dataclass(frozen=True)
class Category:
    """What kind of product it would be, how complex (1 to 5) and how many days to build."""

    name: str
    complexity: int
    build_days: int
    phrases: PhraseList | None = None


@dataclass(frozen=True)
class Yardsticks:
    """The word lists that read parts out of texts."""

    complaints: PhraseList
    wishes: PhraseList
    categories: tuple[Category, ...]
    usual: Category
    hard: tuple[Hard, ...]
    first_payer_days: int

    @classmethod
    def from_lists(
        cls, *, complaints: Mapping[str, Any], wishes: Mapping[str, Any], effort: Mapping[str, Any]
    ) -> "Yardsticks":
        """Give the yardsticks of three data files."""
        usual = effort["usual"]
        return cls(
            complaints=known_phrases(complaints),
            wishes=known_phrases(wishes),
            categories=tuple(
                Category(name, kind["complexity"], kind["build_days"], PhraseList.of(kind["words"]))
                for name, kind in sorted(effort["categories"].items())
            ),
            usual=Category(usual["category"], usual["complexity"], usual["build_days"]),
            hard=tuple(Hard(name, PhraseList.of(words)) for name, words in sorted(effort["hard"].items())),
            first_payer_days=effort["first_payer_days"],
        )


def share_naming(signals: Sequence[Signal], *, phrases: PhraseList) -> float:
    """Give the share (0 to 1) of `signals` that name one of `phrases`."""
    naming = sum(bool(phrases.found_in(wording(signal.title, signal.text))) for signal in signals)
    return naming / len(signals) if signals else 0.0


def category_of(signals: Sequence[Signal], *, yardsticks: Yardsticks) -> Category:
    """Give the category most signals name, or the usual one if fewer than a third name any."""
    shares = [
        (share_naming(signals, phrases=category.phrases), category)
        for category in yardsticks.categories
        if category.phrases
    ]
    share, category = max(shares, key=lambda pair: pair[0])
    return category if share >= 1 / 3 else yardsticks.usual


def is_recent(signal: Signal, *, as_of: date) -> bool:
    """Tell whether all days the signal's date can mean lie in the 30 days before `as_of`."""
    span = span_of(signal.day) if signal.day else None
    return bool(span and as_of - timedelta(days=WINDOW_DAYS) <= span[0] and span[1] <= as_of)


def demand(signals: Sequence[Signal], *, as_of: date, outside: Outside) -> Part:
    """Give how many look for it: searches per month and mentions of the last 30 days."""
    counts = [
        signal.mentions
        for signal in signals
        if is_recent(signal, as_of=as_of) and signal.mentions is not None
    ]
    if not counts and outside.searches_per_month is None:
        return _part("demand", None, "no searches known, no mentions counted in the last 30 days")
    asked = (outside.searches_per_month or 0) + 20 * sum(counts)
    searches = "unknown" if outside.searches_per_month is None else str(outside.searches_per_month)
    found = f"searches per month: {searches}; mentions in the last 30 days: {sum(counts)}"
    return _part("demand", min(1.0, math.log10(1 + asked) / 4), found)


def weakness(signals: Sequence[Signal], *, yardsticks: Yardsticks) -> Part:
    """Give how many of the users among the voices complain of what there is; sellers' words do not count."""
    voices = [signal for signal in signals if signal.source not in SELLERS]
    if len(voices) < LEAST_VOICES:
        return _part("weakness", None, f"{len(voices)} voices of users, {LEAST_VOICES} are needed")
    share = share_naming(voices, phrases=yardsticks.complaints)
    return _part("weakness", share, f"{round(share * len(voices))} of {len(voices)} voices of users complain")


def money(signals: Sequence[Signal], *, yardsticks: Yardsticks) -> Part:
    """Give whether somebody pays for it today, or would."""
    prices = sorted(signal.price_usd for signal in signals if signal.price_usd is not None)
    paid = [price for price in prices if price > 0]
    if paid:
        return _part(
            "money",
            1.0,
            f"paid elsewhere: one price named, {_usd(paid[0])}"
            if len(paid) == 1
            else f"paid elsewhere: {len(paid)} prices named, {_usd(paid[0])} to {_usd(paid[-1])}",
        )
    if share_naming(signals, phrases=yardsticks.wishes):
        return _part("money", 0.5, "somebody says he would pay")
    if prices:
        return _part("money", 0.0, f"{len(prices)} offers named, all free")
    return _part("money", None, "no price and no wish to pay named")


def _usd(price: Decimal) -> str:
    return f"${price.normalize():f}"


def ease(signals: Sequence[Signal], *, category: Category, yardsticks: Yardsticks) -> Part:
    """Give how simple the build is: the category's complexity, one more for each hard thing a third asks for."""
    hard = [entry.name for entry in yardsticks.hard if share_naming(signals, phrases=entry.phrases) >= 1 / 3]
    complexity = min(5, category.complexity + len(hard))
    why = f" with {', '.join(hard)}" if hard else ""
    return _part(
        "ease", (6 - complexity) / 5, f"estimated complexity {complexity} of 5: {category.name}{why}"
    )


def speed(*, category: Category, yardsticks: Yardsticks) -> Part:
    """Give how soon it earns: build days of the category's playbook and the days to a first payer."""
    days = category.build_days + yardsticks.first_payer_days
    found = f"estimated {days} days: {category.build_days} to build, {yardsticks.first_payer_days} to a first payer"
    return _part("speed", max(0.0, 1 - (days - 1) / 29), found)


def trend(*, outside: Outside) -> Part:
    """Give where the interest goes; the age of texts alone says nothing about it."""
    if outside.trend is None:
        return _part("trend", None, "no dated series known")
    return _part("trend", TRENDS[outside.trend], f"dated series: {outside.trend}")


def _part(name: str, value: float | None, found: str) -> Part:
    return Part(name, WEIGHTS[name], None if value is None else round(value, 4), found)


def read_parts(
    signals: Sequence[Signal], *, as_of: date, yardsticks: Yardsticks, outside: Outside = NOTHING_OUTSIDE
) -> tuple[Part, ...]:
    """Give the six parts of the opportunity that `signals` are the evidence of."""
    category = category_of(signals, yardsticks=yardsticks)
    return (
        demand(signals, as_of=as_of, outside=outside),
        weakness(signals, yardsticks=yardsticks),
        money(signals, yardsticks=yardsticks),
        ease(signals, category=category, yardsticks=yardsticks),
        speed(category=category, yardsticks=yardsticks),
        trend(outside=outside),
    )


def weigh(parts: Sequence[Part], *, calibration: float = 1.0) -> Score:
    """Give the score of `parts`: 100 x sum(weight x part) / sum(weight) over the known ones, cut at 100. Source: U-1."""
    known = [part for part in parts if part.value is not None]
    weight = sum(part.weight for part in known)
    earned = math.fsum(part.weight * (part.value or 0.0) for part in known)

    def scaled(points: float) -> float:
        return round(min(100.0, max(0.0, points * calibration)), 1)

    return Score(
        parts=tuple(parts),
        points=scaled(100 * earned / weight) if weight else None,
        low=scaled(100 * earned / FULL_WEIGHT),
        high=scaled(100 * (earned + FULL_WEIGHT - weight) / FULL_WEIGHT),
        known_weight=round(weight / FULL_WEIGHT, 4),
        calibration=calibration,
    )
