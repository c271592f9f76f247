"""Schemas as providers take them, and answers as we take them."""

import json
import math
import re
from collections.abc import Iterator
from typing import Any

import jsonschema

Json = dict[str, Any]
_BOUNDS = frozenset({"minLength", "maxLength", "uniqueItems", "minProperties", "maxProperties"})
_MORE_BOUNDS = frozenset(
    {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "maxItems", "minItems"}
)
OPENAI_DROPS = _BOUNDS
ANTHROPIC_DROPS = _BOUNDS | _MORE_BOUNDS
_MAPS = frozenset({"properties", "$defs", "definitions"})
_DATA = frozenset({"enum", "const", "required", "default", "examples"})
_FENCED = re.compile(r"```(?:json)?\s*\n(.*?)```", re.DOTALL)
_FAULTS_SHOWN = 5
_UNSTORABLE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")
"""How JSON writes what no database takes."""


def storable(text: str) -> str:
    """Return `text` as every database takes it: halves of a sign that came one by one are joined; what is no sign is replaced."""
    if not text.isascii():
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text.replace("\0", "\ufffd")


def read_value(text: str) -> Any:
    """Return the JSON value in `text`, as every database takes it.

    Raises:
        ValueError: it is none, no number that there is, or nested too deep.
    """
    try:
        found = json.loads(text, parse_constant=_number, parse_float=_number)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    return _storable(found) if _UNSTORABLE.search(text) else found


def _number(text: str) -> float:
    if not math.isfinite(number := float(text)):
        said = f"{text} is no number"
        raise ValueError(said)
    return number


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {storable(name): _storable(part) for name, part in value.items()}
    return [_storable(part) for part in value] if isinstance(value, list) else value


def wire_schema(schema: Json, *, drops: frozenset[str]) -> Json:
    """Return `schema` as a strict provider takes it: closed objects, every key required, `drops` told in words.

    Whatever fits the result fits `schema` too, but for the dropped bounds: check the answer against `schema` itself.
    """
    dropped = [
        key for key in sorted(drops & schema.keys()) if not (key == "minItems" and schema[key] in (0, 1))
    ]
    made = {key: _wire_part(key, part, drops=drops) for key, part in schema.items() if key not in dropped}
    if "properties" in made:
        made |= {"additionalProperties": False, "required": list(made["properties"])}
    if told := [f"{key} {json.dumps(schema[key])}" for key in dropped]:
        made["description"] = f"{made.get('description', '')} ({', '.join(told)})".strip()
    return made


def _wire_part(key: str, value: Any, *, drops: frozenset[str]) -> Any:
    if key in _DATA:
        return value
    if isinstance(value, list):
        return [_wire_part("", part, drops=drops) for part in value]
    if not isinstance(value, dict):
        return value
    if key in _MAPS:
        return {name: _wire_part("", part, drops=drops) for name, part in value.items()}
    return wire_schema(value, drops=drops)


def schema_name(schema: Json) -> str:
    """Return a name for `schema` that every provider accepts."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", str(schema.get("title", "")))[:64] or "answer"


def read_answer(text: str, *, schema: Json) -> tuple[Json | None, tuple[str, ...]]:
    """Return the object in `text` and no faults, or None and what is wrong with it, in words a model can use."""
    try:
        found = read_value(_bare(text))
    except ValueError as problem:
        return None, (f"it is not valid JSON: {problem}",)
    faults = tuple(_faults(found, schema))
    return (None, faults) if faults or not isinstance(found, dict) else (found, ())


def _bare(text: str) -> str:
    """The JSON inside a fence when the model wrapped it in prose, else the text."""
    fenced = _FENCED.search(text)
    return fenced.group(1) if fenced else text


def _faults(found: object, schema: Json) -> Iterator[str]:
    if not isinstance(found, dict):
        yield "at $: it must be an object"
        return
    errors = sorted(jsonschema.Draft202012Validator(schema).iter_errors(found), key=lambda e: e.json_path)
    yield from (f"at {error.json_path}: {error.message[:200]}" for error in errors[:_FAULTS_SHOWN])
