"""What the factory does not build, by rule: regulated fields and tools for builders with AI.

Source: R-10.3. Words in a third of the evidence or a clear nearness of meaning exclude; less is a flag to look.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from portfolio.rules.words import PhraseList, known_phrases

EXCLUDING_SHARE: Final = Fraction(1, 3)
EXCLUDING_MARGIN: Final = 0.10
LOOK_MARGIN: Final = 0.0


@dataclass(frozen=True)
class Field:
    """A field the factory stays out of, why, and the words it is known by."""

    name: str
    reason: str
    phrases: PhraseList


@dataclass(frozen=True)
class Exclusion:
    """What the rule found.

    Attributes:
        excluded: why it is excluded, in words; None if it is not.
        looks: what the owner should look at, in words.
    """

    excluded: str | None
    looks: tuple[str, ...] = ()


def fields_of(lists: Mapping[str, Any]) -> tuple[Field, ...]:
    """Give the fields of the data file, by name."""
    return tuple(Field(name, entry["reason"], known_phrases(entry)) for name, entry in sorted(lists.items()))


def judge_texts(texts: Sequence[str], *, margins: Mapping[str, float], fields: Sequence[Field]) -> Exclusion:
    """Give whether what `texts` ask for is excluded.

    Args:
        texts: the evidence.
        fields: those the factory stays out of.
        margins: by field, how much nearer in meaning the evidence is to it than to ordinary business.
    """
    looks: list[str] = []
    for field in fields:
        reason = _by_words(texts, field) or _by_meaning(margins.get(field.name), field)
        if reason:
            return Exclusion(reason, tuple(looks))
        looks += _looks(texts, margins.get(field.name), field)
    return Exclusion(None, tuple(looks))


def _named(texts: Sequence[str], field: Field) -> list[list[str]]:
    return [found for text in texts if (found := field.phrases.found_in(text))]


def _by_words(texts: Sequence[str], field: Field) -> str | None:
    named = _named(texts, field)
    if not texts or Fraction(len(named), len(texts)) < EXCLUDING_SHARE:
        return None
    words = ", ".join(sorted({word for found in named for word in found})[:3])
    return f"{field.reason}: {len(named)} of {len(texts)} signals speak of it ({words})"


def _by_meaning(margin: float | None, field: Field) -> str | None:
    if margin is None or margin < EXCLUDING_MARGIN:
        return None
    return f"{field.reason}: the signals mean it more than ordinary business (margin {margin:.2f})"


def _looks(texts: Sequence[str], margin: float | None, field: Field) -> list[str]:
    looks = []
    if margin is not None and margin >= LOOK_MARGIN:
        looks.append(f"near to {field.name.replace('_', ' ')} in meaning (margin {margin:.2f})")
    if named := _named(texts, field):
        looks.append(f"{len(named)} of {len(texts)} signals speak of {field.name.replace('_', ' ')}")
    return looks
