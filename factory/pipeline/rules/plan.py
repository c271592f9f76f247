"""Kev proposes a plan, these rules decide: a plan that breaks one is refused whole. Source: R-01.3, R-01.22."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from graphlib import CycleError, TopologicalSorter
from typing import Any

from factory.pipeline.errors import PlanRefused

LARGEST_PLAN = 200


@dataclass(frozen=True)
class Planned:
    """One task of a plan that keeps the rules; `after` names the tasks it waits for."""

    id: str
    type: str
    part: str
    agent: str
    title: str
    spec: str
    acceptance: tuple[str, ...]
    max_cost_usd: int
    max_minutes: int
    after: tuple[str, ...]


@dataclass(frozen=True)
class Staff:
    """An agent as the rules see it: what it can do, and who absorbed it."""

    name: str
    capabilities: frozenset[str]
    is_enabled: bool


@dataclass(frozen=True)
class Caps:
    """What may be planned at most, in dollars."""

    build_usd: Decimal
    task_usd: Decimal


def check_plan(plan: Mapping[str, Any], *, staff: Collection[Staff], caps: Caps) -> tuple[Planned, ...]:
    """Give the tasks of a plan that keeps every rule, each after those it waits for. Source: R-01.3, R-01.4.

    Raises:
        PlanRefused: names every broken rule; of a cycle, its tasks.
    """
    tasks: Sequence[Mapping[str, Any]] = plan["tasks"]
    after = _waits_for(plan)
    broken = [*_structure(tasks, plan["edges"]), *_staffing(tasks, staff), *_money(tasks, caps)]
    try:
        order = tuple(TopologicalSorter(after).static_order())
    except CycleError as fault:
        raise PlanRefused(rules=[*broken, f"CYCLE: {' > '.join(fault.args[1])}"]) from fault
    broken += _testing(tasks, after)
    if broken:
        raise PlanRefused(rules=broken)
    by_id = {task["id"]: task for task in tasks}
    return tuple(_planned(by_id[name], tuple(after[name])) for name in order)


def _planned(task: Mapping[str, Any], after: tuple[str, ...]) -> Planned:
    given = {name: task[name] for name in ("id", "type", "part", "agent", "title", "spec")}
    costs = {name: task[name] for name in ("max_cost_usd", "max_minutes")}
    return Planned(**given, **costs, acceptance=tuple(task["acceptance"]), after=after)


def _waits_for(plan: Mapping[str, Any]) -> dict[str, list[str]]:
    after: dict[str, list[str]] = {task["id"]: [] for task in plan["tasks"]}
    for edge in plan["edges"]:
        if edge["after"] in after and edge["before"] in after and edge["before"] not in after[edge["after"]]:
            after[edge["after"]].append(edge["before"])
    return after


def _structure(tasks: Sequence[Mapping[str, Any]], edges: Sequence[Mapping[str, str]]) -> Iterator[str]:
    names = [task["id"] for task in tasks]
    parts = [task["part"] for task in tasks]
    if len(tasks) > LARGEST_PLAN:
        yield f"TOO_LARGE: {len(tasks)} tasks, {LARGEST_PLAN} at most"
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"DUPLICATE_ID: {name}"
    for edge in edges:
        for name in (edge["before"], edge["after"]):
            if name not in names:
                yield f"UNKNOWN_ID: {name}"
    for part in ("scaffold", "core", "api", "pages", "integration", "test", "deploy"):
        if parts.count(part) != 1:
            yield f"PART_COUNT: {part} stands {parts.count(part)} times, once is wanted"


def _staffing(tasks: Sequence[Mapping[str, Any]], staff: Collection[Staff]) -> Iterator[str]:
    known = {person.name: person for person in staff}
    for task in tasks:
        person = known.get(task["agent"])
        if person is None or not person.is_enabled:
            yield f"AGENT_UNAVAILABLE: {task['agent']} for {task['id']}"
        elif lacking := set(task["capabilities"]) - person.capabilities:
            yield f"CAPABILITY_MISSING: {', '.join(sorted(lacking))} for {task['id']}"
    authors = {task["agent"] for task in tasks if task["type"] == "code"}
    for task in tasks:
        if task["part"] == "test" and (task["agent"] != "Hawk" or task["agent"] in authors):
            yield f"AUTHOR_REVIEWS_OWN_WORK: {task['agent']} in {task['id']}"


def _money(tasks: Sequence[Mapping[str, Any]], caps: Caps) -> Iterator[str]:
    for task in tasks:
        if task["max_cost_usd"] > caps.task_usd:
            yield f"OVER_TASK_BUDGET: {task['id']} asks ${task['max_cost_usd']}, ${caps.task_usd:f} at most"
    total = sum(task["max_cost_usd"] for task in tasks)
    if total > caps.build_usd:
        yield f"OVER_BUDGET: ${total} in all, a build may cost ${caps.build_usd:f} at most"


def _testing(tasks: Sequence[Mapping[str, Any]], after: Mapping[str, Sequence[str]]) -> Iterator[str]:
    tests = {task["id"] for task in tasks if task["part"] == "test" and task["agent"] == "Hawk"}
    code = {task["id"] for task in tasks if task["type"] == "code"}
    for task in tasks:
        behind = _upstream(task["id"], after)
        if task["type"] == "deploy" and not tests & behind:
            yield f"NO_HAWK_TEST: nothing by Hawk stands before {task['id']}"
        if task["id"] in tests and (untested := code - behind):
            yield f"CODE_AFTER_TEST: {', '.join(sorted(untested))} is not tested by {task['id']}"


def _upstream(name: str, after: Mapping[str, Sequence[str]]) -> set[str]:
    behind: set[str] = set()
    wave = list(after.get(name, ()))
    while wave:
        behind.add(here := wave.pop())
        wave += [one for one in after.get(here, ()) if one not in behind]
    return behind
