"""Any schema gets a valid instance, also one that nobody has seen."""

import json
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Literal
from uuid import UUID

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AnyUrl, BaseModel, Field

from agents.gateway.adapters.rehearsal.dice import Dice
from agents.gateway.adapters.rehearsal.schema import Builder
from tests.agents.gateway.rehearsal.asks import said, structured, text_of

Json = dict[str, Any]


class Colour(Enum):
    """One of two."""

    RED = "red"
    BLUE = "blue"


class Leaf(BaseModel):
    """Formats and patterns."""

    id: UUID
    when: datetime
    day: date | None
    site: AnyUrl
    price: Decimal = Field(ge=0, le=100)
    code: str = Field(pattern=r"^[A-Z]{2}-\d{3,5}$")


class Branch(BaseModel):
    """Unions, bounds and collections."""

    kind: Literal["a", "b"]
    leaves: list[Leaf] = Field(min_length=2, max_length=3)
    either: int | str
    colours: set[Colour]
    scores: dict[str, float]
    pair: tuple[int, str]
    share: float = Field(gt=0, lt=1)
    even: int = Field(ge=3, multiple_of=4)
    name: str = Field(min_length=30, max_length=40)


class Tree(BaseModel):
    """Something that may hold itself."""

    branches: list[Branch] = Field(min_length=1)
    parent: "Tree | None"
    anything: Any


def _object(**fields: dict[str, Any]) -> dict[str, Any]:
    """Return a strict schema of an object with all of `fields`."""
    return {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}


def faults_of(made: Any, schema: Any) -> list[str]:
    """Return what a validator of another house holds against a value."""
    return [fault.message for fault in jsonschema.Draft202012Validator(schema).iter_errors(made)]


@pytest.mark.parametrize("model", [Leaf, Branch, Tree])
@pytest.mark.parametrize("seed", range(5))
def test_pydantic_schemas_get_valid_instances(model: type[BaseModel], seed: int) -> None:
    made = Builder(model.model_json_schema(), ("a", "page", "watcher"), Dice(seed, "x")).build()

    assert model.model_validate(made).model_fields_set == set(made)


def shapes(children: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    names = st.dictionaries(st.text("abc", min_size=1), children, max_size=3)
    lists = st.builds(
        lambda item, low: {"type": "array", "items": item, "minItems": low}, children, st.integers(0, 3)
    )
    objects = names.map(lambda fields: {"type": "object", "properties": fields, "required": list(fields)})
    return lists | objects | st.lists(children, min_size=1, max_size=3).map(lambda parts: {"anyOf": parts})


plain = st.sampled_from([
    {"type": "string"}, {"type": "string", "minLength": 9}, {"type": "boolean"}, {"type": "null"}, {"const": 3}, {"enum": ["x", 2, None]},
    {"type": "integer", "minimum": 2, "maximum": 5}, {"type": "number", "exclusiveMinimum": 0}, {"type": ["string", "null"]}, {}, True,
])  # fmt: skip


@given(st.recursive(plain, shapes, max_leaves=12), st.lists(st.text(min_size=1), max_size=4))
def test_made_up_schemas_get_valid_instances(schema: Any, words: list[str]) -> None:
    made = Builder(schema, tuple(words), Dice(1, "x")).build()

    assert faults_of(made, schema) == []


@given(
    st.recursive(plain, shapes, max_leaves=8),
    st.recursive(
        st.none() | st.text() | st.integers(), lambda c: st.lists(c) | st.dictionaries(st.text("abc"), c)
    ),
)
def test_a_hint_that_does_not_fit_spoils_nothing(schema: Any, hint: Any) -> None:
    made = Builder(schema, ("word",), Dice(1, "x")).build(hint)

    assert faults_of(made, schema) == []


def test_a_new_agent_works_unscripted_with_the_words_it_was_given() -> None:
    schema = {
        **_object(
            title={"type": "string", "minLength": 1}, stars={"type": "integer", "minimum": 1, "maximum": 5}
        ),
        "title": "Praise",
    }
    prompt = "Praise the lighthouse keeper warmly"

    made = json.loads(text_of(structured(schema, prompt, max_completion_tokens=17_000)))

    assert faults_of(made, schema) == []
    assert set(made["title"].split()) <= set(prompt.split())


def test_the_same_words_get_the_same_answer_on_both_wires() -> None:
    schema = {**_object(title={"type": "string"}), "title": "Praise"}
    shape = {"format": {"type": "json_schema", "schema": schema}}
    body = {
        "model": "m",
        "max_tokens": 99_000,
        "messages": [{"role": "user", "content": "hi"}],
        "output_config": shape,
    }

    answered = said(body, path="/v1/messages")

    made = json.loads(answered["content"][0]["text"])
    assert faults_of(made, schema) == []
