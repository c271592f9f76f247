"""A valid instance of any JSON Schema, from the messages' words; knowledge is a hint, kept wherever it fits."""

import re
import re._parser as regex  # type: ignore[import-not-found]  # private, the same in 3.11 to 3.13
from dataclasses import dataclass
from typing import Any

from .dice import Dice

Json = dict[str, Any]
NOTHING: Any = object()
_FORMATS = {
    "date": "2027-03-01", "date-time": "2027-03-01T09:00:00Z", "time": "09:00:00Z", "duration": "P1D", "email": "owner@example.org",
    "uri": "https://example.org/", "url": "https://example.org/", "hostname": "example.org", "ipv4": "192.0.2.1", "ipv6": "2001:db8::1",
    "uuid": "6f1c7e2a-7d1b-4f6e-9a51-0c2f3b4d5e6f",
}  # fmt: skip
_KINDS = (
    (bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"), (dict, "object"), (list | tuple, "array"),
)  # fmt: skip
_MARKS = (("object", "properties"), ("array", "items"), ("number", "minimum"))
_DEEP = 6


@dataclass(frozen=True)
class Builder:
    """Makes instances of `root`; `words` are the messages' own, in their order."""

    root: Json
    words: tuple[str, ...]
    dice: Dice

    def build(self, hint: Any = NOTHING) -> Any:
        """One instance of the whole schema; parts of `hint` that fit their place stand in it."""
        return self._make(self.root, hint, "$", 0)

    def _make(self, schema: Any, hint: Any, at: str, deep: int) -> Any:
        schema = self._open(schema, hint)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return hint if hint in schema["enum"] else self.dice.pick(at, schema["enum"])
        return getattr(self, f"_{self._kind(schema, hint)}")(schema, hint, at, deep)

    def _open(self, schema: Any, hint: Any) -> Any:
        """The schema with references followed, `allOf` merged and one branch of `anyOf` chosen."""
        if not isinstance(schema, dict):
            return {"type": "string"} if schema else {"not": {}}
        while "$ref" in schema:
            schema = {**self._follow(schema["$ref"]), **_without(schema, "$ref")}
        for part in schema.get("allOf", ()):
            part = self._open(part, hint)
            fields = {**part.get("properties", {}), **schema.get("properties", {})}
            need = [*part.get("required", ()), *schema.get("required", ())]
            both = {"properties": fields, "required": need} if fields else {}
            schema = {**part, **_without(schema, "allOf"), **both}
        for key in ("anyOf", "oneOf"):
            if key in schema:
                return self._open({**_without(schema, key), **self._branch(schema[key], hint)}, hint)
        return schema

    def _follow(self, ref: str) -> Any:
        here: Any = self.root
        for step in filter(None, ref.removeprefix("#").split("/")):
            here = here[int(step) if isinstance(here, list) else step.replace("~1", "/").replace("~0", "~")]
        return here

    def _branch(self, branches: list[Any], hint: Any) -> Any:
        opened = [self._open(b, NOTHING) for b in branches]
        fitting = [b for b in opened if self._kind(b, NOTHING) == _kind_of(hint)]
        plain = [b for b in opened if self._kind(b, NOTHING) not in ("object", "null")]
        null = [
            b for b in opened if self._kind(b, NOTHING) == "null"
        ]  # an object that may be left out may hold itself
        return (fitting or plain or null or opened)[0]

    def _kind(self, schema: Json, hint: Any) -> str:
        kind = schema.get("type")
        if isinstance(kind, list):
            return (
                _kind_of(hint) if _kind_of(hint) in kind else next((k for k in kind if k != "null"), "null")
            )
        if kind is None and ("const" in schema or "enum" in schema):
            return _kind_of(schema.get("const", (schema.get("enum") or [None])[0]))
        return str(kind or next((k for k, mark in _MARKS if mark in schema), "string"))

    def _object(self, schema: Json, hint: Any, at: str, deep: int) -> Json:
        hint, fields = hint if isinstance(hint, dict) else {}, schema.get("properties", {})
        needed, extra = schema.get("required", ()), schema.get("additionalProperties", True)
        wanted = [
            *needed,
            *(f for f in fields if f not in needed and deep < _DEEP and (f in hint or deep < 2)),
        ]
        made = {f: self._make(fields.get(f, {}), hint.get(f, NOTHING), f"{at}.{f}", deep + 1) for f in wanted}
        free = {} if extra is True else extra
        if extra and not fields:
            made |= {k: self._make(free, v, f"{at}.{k}", deep + 1) for k, v in hint.items() if k not in made}
        for number in range(schema.get("minProperties", 0) - len(made)):
            made[f"extra_{number}"] = self._make(free, NOTHING, f"{at}.extra_{number}", deep + 1)
        return made

    def _array(self, schema: Json, hint: Any, at: str, deep: int) -> list[Any]:
        told = list(hint) if isinstance(hint, list | tuple) else None
        fixed, rest = schema.get("prefixItems", []), schema.get("items", {})
        usual = len(told) if told is not None else int(deep < _DEEP and rest is not False)
        size = min(schema.get("maxItems", 10**6), max(schema.get("minItems", 0), usual, len(fixed)))
        shapes = [*fixed, *[rest] * size][:size]
        hints = [*(told or []), *[NOTHING] * size][:size]
        items = [
            self._make(*pair, f"{at}[{n}]", deep + 1)
            for n, pair in enumerate(zip(shapes, hints, strict=True))
        ]
        return _unique(items) if schema.get("uniqueItems") else items

    def _string(self, schema: Json, hint: Any, at: str, deep: int) -> str:
        low, high = schema.get("minLength", 0), schema.get("maxLength", 10**6)
        pattern, form = schema.get("pattern"), schema.get("format")
        if isinstance(hint, str) and low <= len(hint) <= high and (not pattern or re.search(pattern, hint)):
            return hint
        if pattern:
            return _matching(regex.parse(pattern), low)
        if form in _FORMATS:
            return _FORMATS[str(form)]
        text = hint if isinstance(hint, str) else self._phrase(at)
        while len(text) < low:
            text = f"{text} {self._phrase(at)}"
        return text[:high]

    def _phrase(self, at: str) -> str:
        words = self.words or ("nothing", "said")
        start = self.dice.number(at) % len(words)
        return " ".join((words * 2)[start : start + 4])

    def _number(self, schema: Json, hint: Any, at: str, deep: int) -> float:
        low, high, _ = _bounds(schema, nudge=1e-6)
        fits = isinstance(hint, int | float) and not isinstance(hint, bool) and low <= hint <= high
        return hint if fits else low if low > -1e9 else min(0, high)

    def _integer(self, schema: Json, hint: Any, at: str, deep: int) -> int:
        low, high, step = _bounds(schema, nudge=1)
        if isinstance(hint, int) and not isinstance(hint, bool) and low <= hint <= high and hint % step == 0:
            return hint
        first = -(-int(low if low > -1e9 else min(0, high)) // step) * step
        room = int(min(9, max(0, (high - first) // step)))
        return int(first + step * (self.dice.number(at) % (1 + room)))

    def _boolean(self, schema: Json, hint: Any, at: str, deep: int) -> bool:
        return hint if isinstance(hint, bool) else bool(self.dice.number(at) % 2)

    def _null(self, schema: Json, hint: Any, at: str, deep: int) -> None:
        return None


def _without(schema: Json, key: str) -> Json:
    return {k: v for k, v in schema.items() if k != key}


def _kind_of(value: Any) -> str:
    """JSON's name for the kind of `value`; "nothing" for no hint at all."""
    default = "nothing" if value is NOTHING else "null"
    return next((name for kind, name in _KINDS if isinstance(value, kind)), default)


def _bounds(schema: Json, *, nudge: float) -> tuple[float, float, int]:
    """Lowest and highest value, both allowed, and the step between whole ones."""
    low = max(schema.get("minimum", -1e9), schema.get("exclusiveMinimum", -1e9 - nudge) + nudge)
    high = min(schema.get("maximum", 1e9), schema.get("exclusiveMaximum", 1e9 + nudge) - nudge)
    return low, high, int(schema.get("multipleOf", 1)) or 1


def _unique(items: list[Any]) -> list[Any]:
    """The items with repeated texts and numbers made different, other repeats left out."""
    seen: list[Any] = []
    for number, item in enumerate(items):
        if item in seen:
            item = (
                f"{item} {number}"
                if isinstance(item, str)
                else item + number
                if isinstance(item, int)
                else item
            )
        seen += [item] if item not in seen else []
    return seen


def _matching(tree: Any, low: int) -> str:
    """A shortest text that a parsed pattern matches, groups and classes included, look-arounds not."""
    return "".join(_piece(str(op), given, low) for op, given in tree)


def _piece(op: str, given: Any, low: int) -> str:
    if op == "BRANCH":
        return _matching(given[1][0], low)
    if op == "SUBPATTERN":
        return _matching(given[3], low)
    if op in ("MAX_REPEAT", "MIN_REPEAT"):
        least, most, inner = given
        times: int = max(least, min(int(most), low if least < 2 else least))
        return _matching(inner, low) * times
    return _letter(op, given)


def _letter(op: str, given: Any) -> str:
    match op:
        case "IN":
            return _letter(str(given[0][0]), given[0][1])
        case "LITERAL":
            return chr(given)
        case "RANGE":
            return chr(given[0])
        case "CATEGORY":
            return "0" if "DIGIT" in str(given) else "a"
        case "NOT_LITERAL" | "ANY":
            return "a" if given != ord("a") else "b"
    return "~" if op == "NEGATE" else ""
