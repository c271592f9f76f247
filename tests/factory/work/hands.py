"""Hands for tests: claim, begin and end the next task in one step."""

from typing import Any

from agents.roster.models import Agent
from core.ids import new_id
from core.registry import Assignment, Outcome, Stop, register_job
from factory.work.models import Dag, Task
from factory.work.services import claim_task, finish_attempt, start_attempt
from tests.builders import a_task, an_agent


@register_job("test.nothing")
def do_nothing(assignment: Assignment, stop: Stop) -> Outcome:
    """Be done at once."""
    return Outcome(kind="done")


def a_hand(*, max_parallel: int = 1) -> Agent:
    """Return an agent of a name of its own."""
    name = f"Agent-{new_id().hex[-12:]}"
    return an_agent(name, front={"limits": {"max_parallel": max_parallel}})


def an_agents_task(**facts: Any) -> Task:
    """Return a ready task of an agent of its own."""
    return a_task(agent=a_hand().name, **facts)


def take(worker: str = "w") -> Assignment | None:
    """Claim and begin the next task."""
    assignment = claim_task(worker=worker)
    if assignment is not None:
        start_attempt(assignment.id)
    return assignment


def carry_out(outcome: Outcome | None = None, *, worker: str = "w") -> Assignment | None:
    """Claim, begin and end the next task."""
    assignment = take(worker)
    if assignment is not None:
        finish_attempt(assignment.id, outcome or Outcome(kind="done"))
    return assignment


def states_of(dag: Dag) -> dict[str, str]:
    """Return where each task of the graph stands."""
    return dict(dag.tasks.values_list("key", "state"))
