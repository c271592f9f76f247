"""A valid instance of any JSON Schema, from the words of the messages; knowledge comes in as a hint and is kept where it fits."""

import re
import re._parser as regex  # type: ignore[import-not-found]  # private, the same in 3.11 to 3.13
from dataclasses import dataclass
from typing import Any

from .dice import Dice

NOTHING: Any = object()
_FORMATS = {
    "date": "2027-03-01", "date-time": "2027-03-01T09:00:00Z", "time": "09:00:00Z", "duration": "P1D", "email": "owner@example.org",
    "uri": "https://example.org/", "url": "https://example.org/", "hostname": "example.org", "ipv4": "192.0.2.1", "ipv6": "2001:db8::1",
    "uuid": "6f1c7e2a-7d1b-4f6e-9a51-0c2f3b4d5e6f",
}  # fmt: skip
_DEEP = 6


@dataclass(frozen=True)
class Builder:
    """Makes instances of `root`; `words` are the messages' own, in their order."""

    root: dict[str, Any]
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
            return hint if hint is not NOTHING and hint in schema["enum"] else self.dice.pick(at, schema["enum"])
        make = getattr(self, f"_{self._kind(schema, hint)}")
        return make(schema, hint, at, deep)

    def _open(self, schema: Any, hint: Any) -> Any:
        """The schema with references followed, `allOf` merged and one branch of `anyOf` chosen."""
        if not isinstance(schema, dict):
            return {"type": "string"} if schema else {"not": {}}
        while "$ref" in schema:
            schema = {**self._follow(schema["$ref"]), **{k: v for k, v in schema.items() if k != "$ref"}}
        for part in schema.get("allOf", ()):
            part = self._open(part, hint)
            both = {k: {**part.get(k, {}), **schema.get(k, {})} for k in ("properties",) if k in part or k in schema}
            need = {"required": [*part.get("required", ()), *schema.get("required", ())]}
            schema = {**part, **{k: v for k, v in schema.items() if k != "allOf"}, **both, **need}
        for key in ("anyOf", "oneOf"):
            if key in schema:
                rest = {k: v for k, v in schema.items() if k != key}
                return self._open({**rest, **self._branch(schema[key], hint)}, hint)
        return schema

    def _follow(self, ref: str) -> Any:
        here: Any = self.root
        for step in ref.removeprefix("#").strip("/").split("/") if ref != "#" else ():
            here = here[int(step) if isinstance(here, list) else step.replace("~1", "/").replace("~0", "~")]
        return here

    def _branch(self, branches: list[Any], hint: Any) -> Any:
        opened = [self._open(b, NOTHING) for b in branches]
        fitting = [b for b in opened if hint is not NOTHING and self._kind(b, NOTHING) == _kind_of(hint)]
        plain = [b for b in opened if self._kind(b, NOTHING) not in ("object", "null")]
        return (fitting or plain or opened)[0]

    def _kind(self, schema: dict[str, Any], hint: Any) -> str:
        kind = schema.get("type")
        if isinstance(kind, list):
            kind = _kind_of(hint) if hint is not NOTHING and _kind_of(hint) in kind else next((k for k in kind if k != "null"), "null")
        if kind is None:
            if "const" in schema or "enum" in schema:
                return _kind_of(schema.get("const", (schema.get("enum") or [None])[0]))
            kind = next((k for k, mark in (("object", "properties"), ("array", "items"), ("number", "minimum")) if mark in schema), "string")
        return str(kind)

    def _object(self, schema: dict[str, Any], hint: Any, at: str, deep: int) -> dict[str, Any]:
        hint, fields = hint if isinstance(hint, dict) else {}, schema.get("properties", {})
        needed = [*schema.get("required", ()), *(f for f in fields if deep < _DEEP and f not in schema.get("required", ()))]
        wanted = [f for f in needed if f in schema.get("required", ()) or f in hint or deep < 2]
        made = {f: self._make(fields.get(f, {}), hint.get(f, NOTHING), f"{at}.{f}", deep + 1) for f in wanted}
        extra = schema.get("additionalProperties", True)
        if extra and not fields:
            made |= {k: v if extra is True else self._make(extra, v, f"{at}.{k}", deep + 1) for k, v in hint.items() if k not in made}
        for number in range(schema.get("minProperties", 0) - len(made)):
            made[f"extra_{number}"] = self._make({} if extra is True else extra, NOTHING, f"{at}.extra_{number}", deep + 1)
        return made

    def _array(self, schema: dict[str, Any], hint: Any, at: str, deep: int) -> list[Any]:
        is_told, hint = isinstance(hint, list | tuple), list(hint) if isinstance(hint, list | tuple) else []
        fixed, low, high = schema.get("prefixItems", []), schema.get("minItems", 0), schema.get("maxItems", 10**6)
        size = min(high, max(low, len(hint) if is_told else int(deep < _DEEP and schema.get("items") is not False), len(fixed)))
        items = [
            self._make(fixed[n] if n < len(fixed) else schema.get("items", {}), hint[n] if n < len(hint) else NOTHING, f"{at}[{n}]", deep + 1)
            for n in range(size)
        ]
        return _unique(items, low) if schema.get("uniqueItems") else items

    def _string(self, schema: dict[str, Any], hint: Any, at: str, deep: int) -> str:
        low, high = schema.get("minLength", 0), schema.get("maxLength", 10**6)
        pattern, form = schema.get("pattern"), schema.get("format")
        if isinstance(hint, str) and low <= len(hint) <= high and (not pattern or re.search(pattern, hint)):
            return hint
        if pattern:
            return _matching(pattern, low)
        if form in _FORMATS:
            return _FORMATS[form]
        text = self._phrase(at) if not isinstance(hint, str) else hint
        while len(text) < low:
            text = f"{text} {self._phrase(at)}"
        return text[:high]

    def _phrase(self, at: str) -> str:
        words = self.words or ("nothing", "said")
        start = self.dice.number(at) % len(words)
        return " ".join((words * 2)[start : start + 4])

    def _number(self, schema: dict[str, Any], hint: Any, at: str, deep: int) -> float:
        low, high, step = _bounds(schema, whole=False)
        if isinstance(hint, int | float) and not isinstance(hint, bool) and low <= hint <= high:
            return hint
        return low if low > -1e9 else min(0, high)

    def _integer(self, schema: dict[str, Any], hint: Any, at: str, deep: int) -> int:
        low, high, step = _bounds(schema, whole=True)
        if isinstance(hint, int) and not isinstance(hint, bool) and low <= hint <= high and hint % step == 0:
            return hint
        base = low if low > -1e9 else min(0, high)
        first = -(-int(base) // step) * step
        return int(first + step * (self.dice.number(at) % (1 + max(0, int((min(high, first + 9 * step) - first) // step)))))

    def _boolean(self, schema: dict[str, Any], hint: Any, at: str, deep: int) -> bool:
        return hint if isinstance(hint, bool) else bool(self.dice.number(at) % 2)

    def _null(self, schema: dict[str, Any], hint: Any, at: str, deep: int) -> None:
        return None


def _kind_of(value: Any) -> str:
    kinds = ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"), (dict, "object"), (list, "array"), (tuple, "array"))
    return next((name for kind, name in kinds if isinstance(value, kind)), "null")


def _bounds(schema: dict[str, Any], *, whole: bool) -> tuple[float, float, int]:
    """Lowest and highest value, both allowed, and the step between whole ones."""
    nudge, step = (1, schema.get("multipleOf", 1)) if whole else (1e-6, 1)
    low = max(schema.get("minimum", -1e9), schema.get("exclusiveMinimum", -1e9 - nudge) + nudge)
    high = min(schema.get("maximum", 1e9), schema.get("exclusiveMaximum", 1e9 + nudge) - nudge)
    return low, high, int(step) or 1


def _unique(items: list[Any], low: int) -> list[Any]:
    seen: list[Any] = []
    for number, item in enumerate(items):
        fresh = item if item not in seen else f"{item} {number}" if isinstance(item, str) else item + number if isinstance(item, int) else item
        seen += [fresh] if fresh not in seen else []
    return seen


def _matching(pattern: str, low: int) -> str:
    """A shortest text that `pattern` matches, groups and classes included, look-arounds not."""

    def some(tree: Any) -> str:
        return "".join(one(str(op), given) for op, given in tree)

    def one(op: str, given: Any) -> str:
        match op:
            case "LITERAL":
                return chr(given)
            case "NOT_LITERAL" | "ANY":
                return "a" if given != ord("a") else "b"
            case "IN":
                return member(given)
            case "BRANCH":
                return some(given[1][0])
            case "SUBPATTERN":
                return some(given[3])
            case "MAX_REPEAT" | "MIN_REPEAT":
                least, most, inner = given
                times: int = max(least, min(int(most), low if least < 2 else least))
                return some(inner) * times
            case _:
                return ""

    def member(options: Any) -> str:
        op, given = options[0]
        if str(op) == "NEGATE":
            return "~"
        if str(op) in ("RANGE", "LITERAL"):
            return chr(int(given[0] if str(op) == "RANGE" else given))
        return "0" if "DIGIT" in str(given) else "a"

    return some(regex.parse(pattern))
