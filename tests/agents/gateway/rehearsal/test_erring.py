"""It errs on purpose, and mends only what a message names."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from agents.gateway.adapters import child
from agents.gateway.adapters.rehearsal.coder import planted
from agents.gateway.adapters.rehearsal.cores import CORES
from agents.gateway.adapters.rehearsal.dice import Seed
from agents.gateway.adapters.rehearsal.reading import as_product
from factory.pipeline.rules.answers import RESEARCH
from tests.agents.gateway.rehearsal.asks import IDEAS, blueprint_of, said, structured, text_of

Json = dict[str, Any]
THINGS = (
    "boats",
    "bees",
    "lifts",
    "ladders",
    "tents",
    "pianos",
    "pumps",
    "cranes",
    "kilns",
    "looms",
    "sheds",
    "vats",
)


def is_valid(body: Json, seed: str) -> bool:
    try:
        jsonschema.validate(json.loads(text_of(body, seed=seed)), RESEARCH)
    except (ValueError, jsonschema.ValidationError):
        return False
    return True


def bodies(count: int) -> list[Json]:
    return [
        structured(
            RESEARCH,
            f"<idea>Track {a} and {b} of the harbour, their papers, and the day on which each is to be renewed</idea>",
        )
        for a in THINGS
        for b in THINGS
    ][:count]


def test_about_one_structured_answer_in_five_is_spoiled() -> None:
    spoiled = sum(not is_valid(body, "7") for body in bodies(140))

    assert 10 <= spoiled <= 50


def test_every_third_is_spoiled_when_the_seed_says_so() -> None:
    spoiled = sum(not is_valid(body, "7:broken=3") for body in bodies(140))

    assert 40 <= spoiled <= 80


def test_a_repair_is_never_spoiled_and_the_same_request_always_is() -> None:
    broken = next(body for body in bodies(140) if not is_valid(body, "7:broken=3") and not is_cut(body))
    told = {"role": "user", "content": "Your answer is not valid: at $: it must be an object. Repair it."}
    repair = {**broken, "messages": [*broken["messages"], {"role": "assistant", "content": "{"}, told]}

    assert not is_valid(broken, "7:broken=3")
    assert is_valid(repair, "7:broken=3")


def is_cut(body: Json) -> bool:
    return bool(said(body, seed="7:broken=3")["choices"][0]["finish_reason"] == "length")


def test_a_cut_answer_says_so_and_double_room_is_another_request() -> None:
    cut = [body for body in bodies(144) if is_cut(body)]

    assert cut
    assert not all(is_cut({**body, "max_completion_tokens": 32_000}) for body in cut)


def test_most_builds_have_one_mistake_that_only_a_journey_finds() -> None:
    products = [
        as_product(blueprint_of(f"Remind me to renew {a} {b}")) for a in THINGS for b in ("permits", "papers")
    ]
    found = [planted(product, seed=Seed(7)) for product in products if product]

    journeys = [defect for defect in found if defect and defect.gate == "journey"]
    assert len(found) == 24
    assert 12 <= len(journeys) < 24
    assert len({defect.name for defect in journeys}) > 5
    assert any(defect is None for defect in found)


@pytest.mark.parametrize("kind", CORES)
def test_a_clean_seed_plants_nothing_and_a_named_defect_is_planted(kind: str) -> None:
    product = as_product(blueprint_of(IDEAS[kind]))
    assert product

    assert planted(product, seed=Seed.read("7:clean")) is None
    for defect in CORES[kind].defects:
        assert planted(product, seed=Seed.read(f"7:defect={defect.name}")) == defect


def test_every_core_has_defects_that_only_a_scan_of_its_code_sees() -> None:
    for core in CORES.values():
        assert {d.name for d in core.defects if d.gate == "scan"} == {"secret_in_code", "shell_command"}


@pytest.mark.parametrize("text", ["", "x", "7:loud", "7:broken=x"])
def test_a_seed_that_says_nonsense_is_refused_before_a_child_is_started(text: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"seed|invalid literal"):
        child.start(text, tmp_path / "s")

    assert not (tmp_path / "s").exists()
