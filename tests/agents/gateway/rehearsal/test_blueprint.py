"""The blueprint promises only what will be written; the plan keeps the rules."""

import json
from graphlib import TopologicalSorter
from typing import Any

import jsonschema
import pytest

from agents.gateway.adapters.rehearsal.cores import CORES
from agents.gateway.adapters.rehearsal.cores.frame import files, final, typed
from agents.gateway.adapters.rehearsal.reading import as_product
from factory.pipeline.rules.answers import BLUEPRINT, PLAN, RESEARCH, REVIEW_NOTES
from tests.agents.gateway.rehearsal.asks import CRONPILOT, IDEAS, blueprint_of, structured, text_of

Json = dict[str, Any]
MANY = [
    *IDEAS.values(),
    CRONPILOT,
    "Suivi des contrats de bail",
    "Recordar a los vecinos las revisiones del ascensor",
    "日本語だけ",
]


def filled(schema: Json, prompt: str) -> Json:
    tries = (text_of(structured(schema, prompt, max_completion_tokens=16_000 << n)) for n in range(9))
    return next(made for made in map(_loads, tries) if set(made) == set(schema["properties"]))


def _loads(text: str) -> Json:
    try:
        made = json.loads(text)
    except ValueError:
        return {}
    return made if isinstance(made, dict) else {}


@pytest.mark.parametrize("idea", MANY)
def test_a_blueprint_keeps_its_schema_and_every_feature_is_promised(idea: str) -> None:
    made = blueprint_of(idea)

    jsonschema.validate(made, BLUEPRINT)
    features = [feature["id"] for feature in made["features"]]
    assert features == ["F1", "F2", "F3", "F4", "F5"]
    assert {criterion["feature"] for criterion in made["criteria"]} == set(features)
    assert 15 <= len(made["criteria"]) <= 20
    assert len({criterion["id"] for criterion in made["criteria"]}) == len(made["criteria"])
    assert all(step["times"] <= 500 for c in made["criteria"] for step in (*c["given"], c["when"]))
    assert made["maximum_investment_usd"] <= 70


def test_the_reference_product_is_what_its_sentence_says() -> None:
    made = blueprint_of(CRONPILOT)

    assert (made["name"], made["core_function"]["kind"], made["fit"]) == ("CronPilot", "heartbeat", "high")
    assert [tuple(price.values())[1:] for price in made["prices"]] == [
        (7, 20, 7),
        (19, 100, 90),
        (49, 500, 365),
    ]
    assert {"duration-is-kept", "told-by-webhook", "history-ends-with-the-plan", "plan-limit-holds"} <= {
        criterion["id"] for criterion in made["criteria"]
    }


@pytest.mark.parametrize("idea", MANY)
def test_no_promise_can_be_read_off_the_code(idea: str) -> None:
    made = blueprint_of(idea)
    product = as_product(made)
    assert product
    code = "\n".join(final(product, CORES[product.kind]).values())

    texts = {c["then"][key] for c in made["criteria"] for key in ("text", "absent")} - {"", "First one"}

    assert not {text for text in texts if text in code}
    assert not {c["id"] for c in made["criteria"] if c["id"] in code}


@pytest.mark.parametrize("kind", CORES)
def test_every_defect_changes_exactly_one_file_of_one_part(kind: str) -> None:
    product = as_product(blueprint_of(IDEAS[kind]))
    assert product

    for defect in CORES[kind].defects:
        right, wrong = typed(product, defect)
        holds = [path for part in files(product, CORES[kind]).values() for path, text in part.items()
                 if path.endswith(f"/{defect.file}") and text.count(right) == 1]  # fmt: skip
        assert len(holds) == 1, defect.name
        assert right != wrong


def test_a_plan_has_one_task_for_each_part_and_hawk_before_the_release() -> None:
    made = filled(PLAN, f"Plan the build.\n<blueprint>{json.dumps(blueprint_of(CRONPILOT))}</blueprint>")

    jsonschema.validate(made, PLAN)
    parts = {task["id"]: task["part"] for task in made["tasks"]}
    assert sorted(parts.values()) == ["api", "core", "deploy", "integration", "pages", "scaffold", "test"]
    before: dict[str, set[str]] = {}
    for edge in made["edges"]:
        before.setdefault(edge["after"], set()).add(edge["before"])
    order = [parts[key] for key in TopologicalSorter(before).static_order()]
    assert order.index("integration") < order.index("test") < order.index("deploy")
    assert {parts[key] for key in before["api"]} == {parts[key] for key in before["pages"]} == {"core"}
    assert all(task["max_cost_usd"] <= 5 for task in made["tasks"])


def test_research_says_what_the_signals_say() -> None:
    signals = [
        {"title": "CronAlive asks for a place", "text": "CronAlive sells heartbeats at $9 and is growing."}
    ]

    made = filled(
        RESEARCH, f"Research.\n<idea>Watch cron jobs</idea>\n<signals>{json.dumps(signals)}</signals>"
    )

    jsonschema.validate(made, RESEARCH)
    assert made["problem"].startswith("CronAlive asks for a place")
    assert made["competitors"] == [{"name": "CronAlive", "price": "$9"}]
    assert made["trend"] == "rising"


def review_prompt(blueprint: Json, sources: dict[str, str]) -> str:
    shown = "\n".join(f'<file path="{path}">\n{text}</file>' for path, text in sources.items())
    finding = json.dumps({"criterion": "plan-limit-holds", "file": "", "line": 0})
    return f"Review.\n<blueprint>{json.dumps(blueprint)}</blueprint>\n<finding>{finding}</finding>\n{shown}"


def test_a_review_names_file_and_line_of_a_mistake_and_only_adds_cases() -> None:
    blueprint = blueprint_of(IDEAS["register"])
    product = as_product(blueprint)
    assert product
    core = CORES[product.kind]
    path = f"{product.app}/rules.py"
    right, wrong = typed(product, next(d for d in core.defects if d.name == "limit_off_by_one"))
    text = final(product, core)[path].replace(right, wrong)

    made = filled(REVIEW_NOTES, review_prompt(blueprint, {path: text}))

    line = text[: text.index(wrong)].count("\n") + 1
    assert (made["verdict"], made["notes"][0]["file"], made["notes"][0]["line"]) == ("fail", path, line)
    assert made["notes"][0]["criterion"] == "plan-limit-holds"
    assert not {case["id"] for case in made["cases"]} & {c["id"] for c in blueprint["criteria"]}
    assert made["cases"]


def test_a_review_of_clean_sources_finds_nothing() -> None:
    blueprint = blueprint_of(IDEAS["watch"])
    product = as_product(blueprint)
    assert product

    made = filled(REVIEW_NOTES, review_prompt(blueprint, final(product, CORES[product.kind])))

    assert (made["verdict"], made["notes"]) == ("pass", [])
