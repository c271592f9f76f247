"""Kev proposes, rules decide: every broken rule is named, and a broken plan is refused whole."""

from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.pipeline.errors import IdeaTooLong, IdeaUnclear, PlanRefused
from factory.pipeline.rules.idea import read_idea, title_of
from factory.pipeline.rules.plan import Caps, Planned, Staff, check_plan

CAPS = Caps(build_usd=Decimal(70), task_usd=Decimal(5))
STAFF = [
    Staff(name=name, capabilities=frozenset({"code", "test", "deploy"}), is_enabled=True)
    for name in ("Rex", "Pixel", "Hawk", "Forge")
]
CHAIN = ("scaffold", "core", "api", "pages", "integration", "test", "deploy")
WHO = {"scaffold": "Forge", "pages": "Pixel", "test": "Hawk", "deploy": "Forge"}
KIND = {"scaffold": "code", "test": "test", "deploy": "deploy"}


def a_plan() -> dict[str, Any]:
    """Return a plan that keeps every rule."""
    tasks = [
        {
            "id": part,
            "type": KIND.get(part, "code"),
            "part": part,
            "agent": WHO.get(part, "Rex"),
            "title": f"Do the {part}",
            "spec": "As the blueprint says.",
            "acceptance": ["own tests pass"],
            "capabilities": [],
            "max_cost_usd": 5,
            "max_minutes": 60,
        }
        for part in CHAIN
    ]
    pairs = [("scaffold", "core"), ("core", "api"), ("core", "pages"), ("api", "integration")]
    pairs += [("pages", "integration"), ("integration", "test"), ("test", "deploy")]
    return {"tasks": tasks, "edges": [{"before": before, "after": after} for before, after in pairs]}


def broken_rules(plan: dict[str, Any]) -> str:
    """Return what the rules say against `plan`."""
    with pytest.raises(PlanRefused) as refusal:
        check_plan(plan, staff=STAFF, caps=CAPS)
    return str(refusal.value)


def test_a_good_plan_comes_back_in_an_order_that_can_be_worked() -> None:
    order = [task.id for task in check_plan(a_plan(), staff=STAFF, caps=CAPS)]

    assert order.index("core") < min(order.index("api"), order.index("pages"))
    assert order[0] == "scaffold"
    assert order[-1] == "deploy"


@given(st.permutations(a_plan()["tasks"]), st.permutations(a_plan()["edges"]))
def test_the_order_in_which_a_plan_is_written_does_not_matter(tasks: list[Any], edges: list[Any]) -> None:
    planned = check_plan({"tasks": tasks, "edges": edges}, staff=STAFF, caps=CAPS)

    assert {task.id: set(task.after) for task in planned} == {
        task.id: set(task.after) for task in check_plan(a_plan(), staff=STAFF, caps=CAPS)
    }
    assert all(isinstance(task, Planned) for task in planned)


def test_a_cycle_is_listed() -> None:
    plan = a_plan()
    plan["edges"].append({"before": "integration", "after": "core"})

    assert "CYCLE" in broken_rules(plan)
    assert "integration" in broken_rules(plan)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"edges": [{"before": "integration", "after": "deploy"}]}, "NO_HAWK_TEST"),
        ({"task": ("test", {"agent": "Rex"})}, "AUTHOR_REVIEWS_OWN_WORK"),
        ({"task": ("core", {"max_cost_usd": 6})}, "OVER_TASK_BUDGET"),
        ({"task": ("core", {"capabilities": ["spend"]})}, "CAPABILITY_MISSING: spend"),
        ({"task": ("core", {"agent": "Blaze"})}, "AGENT_UNAVAILABLE: Blaze"),
        ({"task": ("core", {"id": "api"})}, "DUPLICATE_ID: api"),
        ({"task": ("core", {"part": "api"})}, "PART_COUNT: core stands 0 times"),
        ({"more": {"before": "core", "after": "moon"}}, "UNKNOWN_ID: moon"),
        ({"drop": ("pages", "integration")}, "CODE_AFTER_TEST: pages"),
    ],
)
def test_each_broken_rule_is_named(change: dict[str, Any], rule: str) -> None:
    plan = deepcopy(a_plan())
    if "task" in change:
        name, values = change["task"]
        next(task for task in plan["tasks"] if task["id"] == name).update(values)
    if "more" in change:
        plan["edges"].append(change["more"])
    if "drop" in change:
        before, after = change["drop"]
        plan["edges"].remove({"before": before, "after": after})
    if "edges" in change:
        plan["edges"] = [edge for edge in plan["edges"] if edge["after"] != "deploy"] + change["edges"]

    assert rule in broken_rules(plan)


def test_all_budgets_together_may_not_pass_what_a_build_may_cost() -> None:
    plan = a_plan()
    plan["tasks"] += [{**plan["tasks"][1], "id": f"more-{n}"} for n in range(8)]

    assert "OVER_BUDGET: $75" in broken_rules(plan)


@pytest.mark.parametrize("idea", ["", "   ", "???", "42 17", "zxcv qwrt sdfg", "ok ok ok ok"])
def test_an_idea_without_meaning_is_asked_back(idea: str) -> None:
    with pytest.raises(IdeaUnclear):
        read_idea(idea)


def test_an_idea_of_forty_kilobytes_is_too_long() -> None:
    with pytest.raises(IdeaTooLong) as refusal:
        read_idea("remind me " * 4_000)

    assert refusal.value.http_status == 413


def test_an_idea_is_kept_but_for_its_white_space() -> None:
    idea = read_idea("  Cron job monitoring\nthat tells me when a\tnightly job did not run ")

    assert idea == "Cron job monitoring that tells me when a nightly job did not run"
    assert title_of(idea) == "Cron job monitoring that tells me when a nightly job did"
