"""One line of a signals file: a signal, or the reason in plain words why it is kept apart.

Titles and texts were written by strangers: they are data to judge, never instructions.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlsplit

LINE_LIMIT_BYTES: Final = 64 * 1024
FIELDS: Final = ("id", "source", "url", "date", "title", "text", "price_mentioned", "mentions")
KINDS: Final[dict[str, tuple[type, ...]]] = {
    "id": (str,),
    "source": (str,),
    "url": (str, type(None)),
    "date": (str, type(None)),
    "title": (str,),
    "text": (str,),
    "price_mentioned": (int, float, Decimal, type(None)),
    "mentions": (int, type(None)),
}
KIND_NAMES: Final = {
    "price_mentioned": "a number or null",
    "mentions": "a whole number or null",
    "url": "text or null",
    "date": "text or null",
}
LENGTHS: Final = {"id": 200, "source": 100, "url": 2000, "title": 1000, "text": 20_000}
FIRST_YEAR: Final = 1970
MOST: Final = 10**9
MICRO_USD: Final = Decimal("0.000001")

DATE: Final = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?", re.ASCII)
CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
SCRIPT: Final = re.compile(
    r"<\s*/?\s*(script|iframe|object|embed)\b|<[^>]*\bon[a-z]+\s*=|\b(javascript|vbscript)\s*:\s*\S",
    re.IGNORECASE,
)
ORDERS: Final = re.compile(
    r"""\b(?:ignor\w*|disregard|forget|overrid\w+|overrule|bypass|obey\s+no)\W+
        (?:(?:all|any|every|each|of|the|these|those|your|my|our|its|previous|prior|earlier|above|preceding|former
            |existing|system|other|safety|original|initial)\W+){1,5}
        (?:instruction|prompt|guideline|directive|direction|command|system\W+message|programming)
    |\b(?:ignore|disregard|forget|override|break)\W+(?:all\W+)?(?:of\W+)?your\W+(?:\w+\W+)?(?:rule|order|limit|restriction)
    |\b(?:ignore|disregard|forget)\W+(?:everything|anything|all|what)\W+(?:\w+\W+){0,3}(?:above|before|you\W+were\W+told)
    |\byou\W+(?:are|act)\W+(?:now|no\W+longer)\W+(?:an?|the|in|bound|my)\b
    |\b(?:reveal|print|show|repeat|output|leak)\W+(?:\w+\W+){0,2}(?:system\W+prompt|your\W+(?:prompt|instructions|rules))
    |\b(?:dear|attention|hey|note\W+to|message\W+to|instructions?\W+(?:to|for))\W+(?:the\W+|any\W+|all\W+)?
        (?:ai|llm|language\W+model|assistant|chatbot|scout|kev)\b
    |\b(?:score|rate|rank|mark|approve|accept)\W+this\W+(?:signal|opportunity|idea|entry|item|one)\b
    |\bset\W+(?:the|its|my)\W+score\b
    |\b(?:ignorier|vergiss|missacht|vergessen\W+sie)\w*\W+(?:\w+\W+){0,4}(?:anweisung|instruktion|vorgabe|regel|befehl)
    |\bdu\W+bist\W+(?:jetzt|nun|ab\W+sofort)\W+ein
    |\b(?:ignore[zr]?|oublie[zr]?)\W+(?:\w+\W+){0,4}(?:instruction|consigne|directive|règle)
    |<\|\w+\|>|\[/?INST\]|<</?SYS>>|^\s*\#{2,}\s*(?:system|instruction)""",
    re.IGNORECASE | re.VERBOSE | re.MULTILINE,
)


@dataclass(frozen=True)
class Signal:
    """One voice from the market; `title` and `text` are tainted.

    Attributes:
        line: where it stands in its file, from 1.
        day: `YYYY`, `YYYY-MM` or `YYYY-MM-DD`; None is unknown.
        price_usd: a price somebody named; None is unknown, 0 is a free offer.
        mentions: how many others said the same; None is unknown.
    """

    line: int
    id: str
    source: str
    url: str | None
    day: str | None
    title: str
    text: str
    price_usd: Decimal | None
    mentions: int | None

    @property
    def order(self) -> tuple[str, str, str, str, str]:
        """Where it comes in canonical order; neither its file nor its id moves it before another content."""
        return (self.day or "", self.url or "", self.title, self.text, self.id)


@dataclass(frozen=True)
class Quarantined:
    """A line that was kept apart and changes nothing else."""

    line: int
    reason: str


@dataclass(frozen=True)
class Sifted:
    """What a file holds: signals in file order, and the lines kept apart."""

    signals: tuple[Signal, ...]
    quarantined: tuple[Quarantined, ...]


class _Unfit(Exception):
    """This line is no signal, for the reason given."""

    def __init__(self, reason: str, *facts: object) -> None:
        super().__init__(reason.format(*facts))


def sift(lines: Iterable[tuple[int, bytes | None]], *, latest: date) -> Sifted:
    """Give the signals of numbered lines and the lines kept apart; a repeated id keeps its first line.

    Args:
        lines: number and bytes; None stands for a line that was too long to be read.
        latest: the last day a signal can have been seen.
    """
    kept: dict[str, Signal] = {}
    apart: list[Quarantined] = []
    for number, raw in lines:
        found = read_line(raw, line=number, latest=latest)
        if isinstance(found, Signal) and (first := kept.get(found.id)):
            apart.append(Quarantined(number, _repeat(found, first)))
        elif isinstance(found, Signal):
            kept[found.id] = found
        elif found:
            apart.append(found)
    return Sifted(tuple(kept.values()), tuple(apart))


def _repeat(found: Signal, first: Signal) -> str:
    same = replace(found, line=first.line) == first
    return (
        f"The same signal stands on line {first.line}."
        if same
        else f"Its id stands on line {first.line} already."
    )


def read_line(raw: bytes | None, *, line: int, latest: date) -> Signal | Quarantined | None:
    """Give the signal of one line, or why it is kept apart; None is an empty line."""
    if raw is not None and not raw.strip():
        return None
    try:
        return _signal(_fields(_text(raw, line)), line, latest)
    except _Unfit as reason:
        return Quarantined(line, str(reason))


def _text(raw: bytes | None, line: int) -> str:
    if raw is None or len(raw) > LINE_LIMIT_BYTES:
        raise _Unfit("The line is longer than {} KB.", LINE_LIMIT_BYTES // 1024)
    if b"\0" in raw:
        raise _Unfit("The line holds a NUL byte.")
    try:
        return raw.decode("utf-8-sig" if line == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise _Unfit("The line is not UTF-8 (byte {}).", error.start + 1) from error


def _fields(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text, parse_float=Decimal, parse_constant=_no_number)
    except RecursionError as error:
        raise _Unfit("The line is nested too deeply.") from error
    except json.JSONDecodeError as error:
        raise _Unfit("The line is not JSON ({} at character {}).", error.msg.lower(), error.colno) from error
    except (ValueError, ArithmeticError) as error:
        raise _Unfit("The line is not JSON (a number nobody can read).") from error
    if not isinstance(found, dict):
        raise _Unfit("The line is JSON but not an object.")
    for name in FIELDS:
        _check_kind(name, found)
    return found


def _no_number(name: str) -> None:
    raise _Unfit("{} is no number.", name)


def _check_kind(name: str, found: dict[str, Any]) -> None:
    if name not in found:
        raise _Unfit('The field "{}" is missing.', name)
    value = found[name]
    if not isinstance(value, KINDS[name]) or isinstance(value, bool):
        raise _Unfit('The field "{}" must be {}.', name, KIND_NAMES.get(name, "text"))
    if isinstance(value, int | Decimal) and not 0 <= value <= MOST:
        raise _Unfit('The field "{}" is out of bounds.', name)
    if isinstance(value, str):
        _check_text(name, value)


def _check_text(name: str, value: str) -> None:
    if name != "text" and name in LENGTHS and not value.strip():
        raise _Unfit('The field "{}" is empty.', name)
    if len(value) > LENGTHS.get(name, 20):
        raise _Unfit('The field "{}" is too long.', name)
    if CONTROL.search(value) or SURROGATE.search(value):
        raise _Unfit('The field "{}" holds characters that are no text.', name)
    if SCRIPT.search(value):
        raise _Unfit('The field "{}" holds a script.', name)
    if ORDERS.search(value):
        raise _Unfit('The field "{}" speaks to the machine that reads it.', name)


def _signal(found: dict[str, Any], line: int, latest: date) -> Signal:
    _check_address(found["url"])
    _check_day(found["date"], latest)
    price = found["price_mentioned"]
    return Signal(
        line=line,
        id=found["id"],
        source=found["source"],
        url=found["url"],
        day=found["date"],
        title=found["title"],
        text=found["text"],
        price_usd=None if price is None else Decimal(price).quantize(MICRO_USD),
        mentions=found["mentions"],
    )


def _check_address(url: str | None) -> None:
    if url is None:
        return
    try:
        parts = urlsplit(url)
        is_web = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_web = False
    if not is_web or re.search(r"\s", url):
        raise _Unfit('The field "url" is no web address.')


def _check_day(day: str | None, latest: date) -> None:
    if day is None:
        return
    span = span_of(day)
    if span is None:
        raise _Unfit('There is no date "{}".', day)
    if span[0].year < FIRST_YEAR or span[0] > latest:
        raise _Unfit("The date {} cannot be: nothing was written then yet.", day)


def span_of(day: str) -> tuple[date, date] | None:
    """Give the first and the last day that `YYYY[-MM[-DD]]` can mean; None if there is no such date."""
    match = DATE.fullmatch(day)
    if not match:
        return None
    year, month, number = (int(part) if part else None for part in match.groups())
    try:
        first = date(year or 0, month or 1, number or 1)
        if number:
            return first, first
        return first, _last_day(first, is_year=month is None)
    except ValueError:
        return None


def _last_day(first: date, *, is_year: bool) -> date:
    if is_year:
        return date(first.year, 12, 31)
    later = first.replace(day=28) + timedelta(days=4)
    return later - timedelta(days=later.day)


def canonical(signals: Iterable[Signal]) -> list[Signal]:
    """Give the signals by date and address: the same order whatever the file's was."""
    return sorted(signals, key=lambda signal: signal.order)
