"""The words of a signal: what its text speaks of, and what its address keeps of the post's own words."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import unquote, urlsplit

LETTERS: Final = re.compile(r"[^\W\d_]+")
CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
FILE_ENDING: Final = re.compile(r"\.(html?|php|aspx?|md)/?$")
TEXT_LIMIT_CHARS: Final = 4000


@dataclass(frozen=True)
class WordLists:
    """Which words say nothing about a need.

    Attributes:
        stop: words of grammar.
        speakers: who speaks and in what tone (user, team, asks, wants).
        furniture: what every address has (www, blog, issues, pull).
        places: hosts that carry everybody's posts, so that their name says nothing.
    """

    stop: frozenset[str]
    speakers: frozenset[str]
    furniture: frozenset[str]
    places: frozenset[str]

    @classmethod
    def from_lists(cls, lists: Mapping[str, Sequence[str]]) -> "WordLists":
        """Give the lists of a data file; the names are those of the attributes."""
        return cls(**{name: frozenset(lists[name]) for name in ("stop", "speakers", "furniture", "places")})


def spoken_words(text: str, *, lists: WordLists) -> list[str]:
    """Give the words of `text`, small, in order, without those of grammar and of who speaks."""
    words = LETTERS.findall(text[:TEXT_LIMIT_CHARS].lower())
    return [word for word in words if len(word) > 1 and word not in lists.stop and word not in lists.speakers]


def address_words(url: str | None, *, lists: WordLists) -> list[str]:
    """Give the words of host and path, each once; numbers, random ids and furniture give none."""
    if not url:
        return []
    parts = urlsplit(url)
    named = [*_host_words(parts.hostname or "", lists=lists), *_path_words(unquote(parts.path))]
    kept = (word for word in named if word not in lists.furniture and word not in lists.stop)
    return list(dict.fromkeys(kept))


def _host_words(host: str, *, lists: WordLists) -> Iterable[str]:
    shared = next((place for place in sorted(lists.places) if f".{host}".endswith(f".{place}")), None)
    labels = host.removesuffix(shared).split(".") if shared else host.split(".")[:-1]
    return [word for label in labels for piece in label.split("-") for word in _natural_words(piece)]


def _path_words(path: str) -> Iterable[str]:
    return [
        word for piece in re.split(r"[^\w]+|_", FILE_ENDING.sub("", path)) for word in _natural_words(piece)
    ]


def _natural_words(piece: str) -> Iterable[str]:
    """Give the words of one run of letters and digits, or none when it looks like a random id."""
    core = piece.strip("0123456789")
    if any(letter.isdigit() for letter in core):
        return []
    words = CAMEL.split(core)
    if len(words) > 2 and sum(len(word) for word in words) < 3 * len(words):
        return []
    return [word.lower() for word in words if len(word) > 1]


def normal_address(url: str) -> str:
    """Give the address without scheme, `www.`, query, fragment and closing slash: equal for the same page."""
    parts = urlsplit(url)
    host = (parts.hostname or "").removeprefix("www.")
    return f"{host}{unquote(parts.path).rstrip('/').lower()}"


@dataclass(frozen=True)
class PhraseList:
    """Words and phrases to look for; a closing `*` stands for any ending, safe phrases are taken out first."""

    pattern: re.Pattern[str]
    safe: re.Pattern[str] | None = None

    @classmethod
    def of(cls, phrases: Sequence[str], *, safe: Sequence[str] = ()) -> "PhraseList":
        """Give the list ready to search."""
        return cls(pattern=_any_of(phrases), safe=_any_of(safe) if safe else None)

    def found_in(self, text: str) -> list[str]:
        """Give what of the list stands in `text`, small, in order of appearance, each once."""
        low = text.lower()
        rest = self.safe.sub(" ", low) if self.safe else low
        return list(dict.fromkeys(self.pattern.findall(rest)))


def _any_of(phrases: Sequence[str]) -> re.Pattern[str]:
    longest_first = sorted(phrases, key=lambda phrase: (-len(phrase), phrase))
    return re.compile("|".join(_as_pattern(phrase) for phrase in longest_first))


def _as_pattern(phrase: str) -> str:
    words = (
        re.escape(word.rstrip("*")) + (r"\w*" if word.endswith("*") else "")
        for word in phrase.lower().split()
    )
    return r"\b" + r"[\s-]+".join(words) + r"\b"


def wording(title: str, text: str) -> str:
    """Give title and text as the one passage that is read."""
    return f"{title.rstrip('. ')}. {text}"[:TEXT_LIMIT_CHARS]


def known_phrases(lists: Mapping[str, Any]) -> PhraseList:
    """Give the list of a data file with `words` and, if any, `safe` phrases."""
    return PhraseList.of(lists["words"], safe=lists.get("safe", ()))
