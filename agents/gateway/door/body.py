"""A request as it came: read strictly, written on byte for byte but for the values that must change."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Never

from agents.gateway.errors import BadAsk
from agents.gateway.rules.answers import storable
from core.registry import Json

LIMIT_BYTES = 32_000_000
_BLANK = re.compile(r"[ \t\n\r]*")
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
"""How JSON writes half of a sign; both halves together are one."""


@dataclass(frozen=True)
class Body:
    """A JSON object as text, as data, and where in the text each value of it stands."""

    text: str
    data: Json
    spans: Mapping[str, tuple[int, int]]

    def with_values(self, values: Mapping[str, Any]) -> bytes:
        """Return the bytes with these top-level values put in; every other byte stays as it came."""
        parts, at = [], 0
        for key in sorted(values.keys() & self.spans.keys(), key=self.spans.__getitem__):
            start, end = self.spans[key]
            parts += [self.text[at:start], _json(values[key])]
            at = end
        new = "".join(f"{_json(key)}:{_json(values[key])}," for key in values if key not in self.spans)
        text = "".join([*parts, self.text[at:]])
        return (text.replace("{", "{" + new, 1) if new else text).encode("utf-8", "surrogatepass")


def read_body(raw: bytes) -> Body:
    """Return the request's object.

    Raises:
        BadAsk: too large, no JSON object, half of a sign, which providers refuse too, or a name stands twice in an object:
            providers differ in which one counts.
    """
    if len(raw) > LIMIT_BYTES:
        raise BadAsk(at="body", expected=f"at most {LIMIT_BYTES} bytes")
    try:
        text = raw.decode("utf-8")
        members = list(_members(text))
        if _HALF.search(text):
            _check_signs(members)
    except (ValueError, RecursionError) as problem:
        raise BadAsk(at="body", expected="a JSON object", problem=str(problem)[:100]) from problem
    data = _no_twins([(key, value) for key, value, _ in members])
    return Body(text, data, {key: span for key, _, span in members})


def _check_signs(members: Sequence[tuple[str, Any, tuple[int, int]]]) -> None:
    for key, value, _ in members:
        try:
            _json([key, value]).encode()
        except UnicodeEncodeError as problem:
            expected = "whole signs: half of a surrogate pair stands alone"
            raise BadAsk(at=storable(key)[:100], expected=expected) from problem


def _members(text: str) -> Iterator[tuple[str, Any, tuple[int, int]]]:
    """Yield name, value and place of every member of the object that is `text`."""
    at = _expect(text, 0, "{")
    while text[at : at + 1] != "}":
        if text[at : at + 1] != '"':
            raise ValueError("no name")
        key, at = _DECODER.raw_decode(text, at)
        start = _expect(text, at, ":")
        value, end = _DECODER.raw_decode(text, start)
        yield key, value, (start, end)
        at = _blank(text, end)
        if text[at : at + 1] == ",":
            at = _expect(text, at, ",")
            if text[at : at + 1] == "}":
                raise ValueError("a comma before the end")
        elif text[at : at + 1] != "}":
            raise ValueError("no comma")
    if _blank(text, at + 1) != len(text):
        raise ValueError("more after the end")


def _expect(text: str, at: int, sign: str) -> int:
    """Return the place after `sign`, and after the blanks that follow it."""
    at = _blank(text, at)
    if text[at : at + 1] != sign:
        raise ValueError(sign)
    return _blank(text, at + 1)


def _blank(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at


def _no_twins(pairs: Sequence[tuple[str, Any]]) -> Json:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise BadAsk(at="body", expected="every name once")
    return made


def _no_constant(word: str) -> Never:
    raise ValueError(word)


_DECODER = json.JSONDecoder(object_pairs_hook=_no_twins, parse_constant=_no_constant)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
