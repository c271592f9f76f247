"""Criteria: what a product promises, as typed steps that code can drive over HTTP."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from json import dumps
from typing import Any, cast

import jsonschema

from factory.quality.errors import CriterionInvalid

Json = dict[str, Any]
Pairs = tuple[tuple[str, str], ...]
HIDDEN_SHARE = 0.3


def _object(**fields: Json) -> Json:
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


_TEXT: Json = {"type": "string"}
_PAIR = _object(name={"type": "string", "minLength": 1, "maxLength": 80}, value=_TEXT)
_PAIRS: Json = {"type": "array", "items": _PAIR}

# A form is a list of pairs, never a map: strict schemas of model providers allow no free keys.
STEP: Json = _object(
    **{"as": {"enum": ["anna", "bert", "nobody", "ticker", "site"]}},
    method={"enum": ["GET", "POST", "PUT", "DELETE"]},
    path={"type": "string", "pattern": r"^(/|\{)"},
    form=_PAIRS,
    json=_PAIRS,
    headers=_PAIRS,
    times={"type": "integer", "minimum": 1},
    keep=_TEXT,
)
CRITERION: Json = _object(
    id={"type": "string", "pattern": r"^[a-z0-9-]+$"},
    feature={"type": "string", "pattern": r"^F[1-5]$"},
    given={"type": "array", "items": {"$ref": "#/$defs/step"}},
    when={"$ref": "#/$defs/step"},
    then=_object(
        status={"type": "integer", "minimum": 200, "maximum": 599},
        text=_TEXT,
        absent=_TEXT,
        times={"type": "integer", "minimum": 0},
    ),
)
DEFS: Json = {"step": STEP, "criterion": CRITERION}
_LIST = jsonschema.Draft202012Validator(
    {"type": "array", "items": {"$ref": "#/$defs/criterion"}, "$defs": DEFS}
)
_MOST_TIMES, _LONGEST_PATTERN = 500, 200
_REPEATED_GROUP = re.compile(r"\)[*+{]")


@dataclass(frozen=True)
class Step:
    """One request of one person; `keep` is a pattern whose first group later steps may use as {kept}."""

    who: str
    method: str
    path: str
    form: Pairs = ()
    json: Pairs = ()
    headers: Pairs = ()
    times: int = 1
    keep: str = ""


@dataclass(frozen=True)
class Then:
    """What the last answer must be; "" asks for nothing, `times` 0 means any number of `text`."""

    status: int
    text: str = ""
    absent: str = ""
    times: int = 0


@dataclass(frozen=True)
class Criterion:
    """One promise of a product."""

    id: str
    feature: str
    given: tuple[Step, ...]
    when: Step
    then: Then


def parse_criteria(found: object) -> tuple[Criterion, ...]:
    """Give the criteria that `found` (decoded JSON) spells.

    Raises:
        CriterionInvalid: its facts say where (a JSON path) and why.
    """
    if fault := min(_LIST.iter_errors(found), key=lambda fault: fault.json_path, default=None):
        raise CriterionInvalid(where=fault.json_path, why=fault.message[:200])
    criteria = tuple(_criterion(item, f"$[{n}]") for n, item in enumerate(cast("list[Json]", found)))
    twice = [name for name, count in Counter(item.id for item in criteria).items() if count > 1]
    if twice:
        raise CriterionInvalid(where="$", why=f"two criteria are called {twice[0]}")
    return criteria


def spelled(criterion: Criterion) -> Json:
    """Give the JSON that `parse_criteria` would read as `criterion`."""
    return {
        "id": criterion.id,
        "feature": criterion.feature,
        "given": [_spelled_step(step) for step in criterion.given],
        "when": _spelled_step(criterion.when),
        "then": dict(vars(criterion.then)),
    }


def hide(criteria: Sequence[Criterion], *, seed: str) -> tuple[tuple[Criterion, ...], tuple[Criterion, ...]]:
    """Split `criteria` into those its builder may see and about 30 % that it may not.

    The same criteria and seed give the same split, in any order; of each feature at least one stays shown.
    """
    shown_of = Counter(criterion.feature for criterion in criteria)
    most, hidden = round(HIDDEN_SHARE * len(criteria)), set[str]()
    for criterion in sorted(criteria, key=lambda item: sha256(f"{seed} {item.id}".encode()).digest()):
        if len(hidden) < most and shown_of[criterion.feature] > 1:
            shown_of[criterion.feature] -= 1
            hidden.add(criterion.id)
    return (
        tuple(item for item in criteria if item.id not in hidden),
        tuple(item for item in criteria if item.id in hidden),
    )


def hidden_words(shown: Iterable[Criterion], hidden: Iterable[Criterion]) -> frozenset[str]:
    """Give ids and texts that stand in `hidden` alone: no brief of a builder may hold one of them."""
    seen = dumps([spelled(criterion) for criterion in shown], ensure_ascii=False)
    words = {
        word
        for item in hidden
        for word in (item.id, item.then.text, item.then.absent, *_values(item))
        if word
    }
    return frozenset(word for word in words if dumps(word, ensure_ascii=False)[1:-1] not in seen)


def _values(criterion: Criterion) -> list[str]:
    """What its people type; short words would be found anywhere."""
    steps = (*criterion.given, criterion.when)
    return [
        value for step in steps for _, value in (*step.form, *step.json) if len(value) > len("2030-03-31")
    ]


def _criterion(item: Json, where: str) -> Criterion:
    steps = [_step(step, f"{where}.given[{number}]") for number, step in enumerate(item["given"])]
    when, then = _step(item["when"], f"{where}.when"), Then(**item["then"])
    if when.who == "site" and when.method != "GET":
        raise CriterionInvalid(
            where=f"{where}.when.as", why="the last step asks: the product, or what reached the site"
        )
    return Criterion(item["id"], item["feature"], tuple(steps), when, then)


def _step(item: Json, where: str) -> Step:
    if item["times"] > _MOST_TIMES:
        raise CriterionInvalid(where=f"{where}.times", why=f"more than {_MOST_TIMES}")
    if item["form"] and item["json"]:
        raise CriterionInvalid(where=f"{where}.json", why="a request has a form or JSON, not both")
    _check_pattern(item["keep"], where)
    pairs = {name: _pairs(item[name]) for name in ("form", "json", "headers")}
    if item["as"] == "site" and not dict(pairs["form"]).get("status", "200").isdecimal():
        raise CriterionInvalid(where=f"{where}.form", why="the status of a page is a number")
    return Step(item["as"], item["method"], item["path"], **pairs, times=item["times"], keep=item["keep"])


def _check_pattern(pattern: str, where: str) -> None:
    """Refuse what is no pattern, keeps nothing, or could search for hours."""
    try:
        groups = re.compile(pattern).groups
    except re.error as fault:
        raise CriterionInvalid(where=f"{where}.keep", why=str(fault)) from fault
    if pattern and not groups:
        raise CriterionInvalid(where=f"{where}.keep", why="no group to keep")
    if len(pattern) > _LONGEST_PATTERN or _REPEATED_GROUP.search(pattern):
        raise CriterionInvalid(where=f"{where}.keep", why="too costly: longer than 200 or a repeated group")


def _pairs(items: Iterable[Mapping[str, str]]) -> Pairs:
    return tuple((item["name"], item["value"]) for item in items)


def _spelled_step(step: Step) -> Json:
    spelled_pairs = {
        name: [{"name": key, "value": value} for key, value in getattr(step, name)]
        for name in ("form", "json", "headers")
    }
    head = {"as": step.who, "method": step.method, "path": step.path}
    return {**head, **spelled_pairs, "times": step.times, "keep": step.keep}
