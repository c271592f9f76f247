"""The queue is rows: whoever writes a ready task has it done, and Stop keeps it ready."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.stack import ROOT, Row, Stack, a_stack, free_port

PUT = """
from agents.roster.models import Agent
from billing.models import Scope
from billing.services import factory_scope
from core.ids import new_id
from factory.work.models import Dag, Task
ours = [Scope.objects.create(kind=kind, ref=str(new_id()), label="foreign", mode="rehearsal") for kind in ("dag", "task")]
dag = Dag.objects.create(key=str(new_id()), scope=ours[0], payer=factory_scope(), title="foreign", correlation_id=new_id())
task = Task.objects.create(
    dag=dag, scope=ours[1], key="only", agent=Agent.objects.get(name="Scout"), type="research", state="ready",
    title="Say something", brief="Say in a sentence what a backup is.",
)
print('"' + task.pk.hex + '"')
"""
QUIET_S = 4.0
CALL = """
    SELECT c.*, p.input_microusd, p.output_microusd FROM gateway_call c
    JOIN work_attempt a ON a.id = c.assignment_id JOIN gateway_price p ON p.model_id = c.model_id
    WHERE a.task_id = ? AND c.status = 'answered'
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Give a factory that runs and has nothing to do."""
    with a_stack(tmp_path_factory.mktemp("queue")) as made:
        yield made


def state_of(stack: Stack, task: str) -> str:
    """Return how a task stands."""
    return str(stack.value("SELECT state FROM work_task WHERE id = ?", task))


def test_a_ready_task_that_a_stranger_wrote_is_carried_out(stack: Stack) -> None:
    task = stack.python(PUT)

    stack.until(lambda: state_of(stack, task) == "completed", what="the foreign task")

    assert stack.value("SELECT count(*) FROM gateway_call WHERE agent = 'Scout' AND status = 'answered'") >= 1


def carried_out(stack: Stack) -> Row:
    """Put a task, wait for it, and return its one call with the list price of its model."""
    task = stack.python(PUT)
    stack.until(lambda: state_of(stack, task) == "completed", what="a task")
    return stack.rows(CALL, task)[0]


def list_price(call: Row) -> float:
    """Return what the tokens of a call cost by the price list, in micro-dollars."""
    dear = (
        call["prompt_tokens"] * call["input_microusd"] + call["completion_tokens"] * call["output_microusd"]
    )
    return float(dear / 1_000_000)


def test_a_prompt_that_is_a_thousand_words_longer_costs_its_tokens_at_the_list_price(
    stack: Stack, tmp_path: Path
) -> None:
    agents = Path(shutil.copytree(ROOT / "data" / "agents", tmp_path / "agents"))
    with (agents / "scout.md").open("a") as scout:
        scout.write("\n" + "You also read every word twice. " * 167)

    before = carried_out(stack)
    assert stack.cli("agents-sync", str(agents)).code == 0
    after = carried_out(stack)

    assert 1_000 <= after["prompt_tokens"] - before["prompt_tokens"] <= 2_000
    assert before["cost_microusd"] == pytest.approx(list_price(before), abs=1)
    assert after["cost_microusd"] == pytest.approx(list_price(after), abs=1)
    booked = "SELECT amount_microusd FROM billing_entry WHERE call_id = ?"
    assert stack.value(booked, after["id"]) == after["cost_microusd"]


def test_after_stop_ready_tasks_stay_ready_and_after_start_they_are_done(stack: Stack) -> None:
    assert stack.cli("stop").code == 0
    task = stack.python(PUT)

    seen = set()
    end = time.monotonic() + QUIET_S
    stack.until(lambda: seen.add(state_of(stack, task)) or time.monotonic() > end, what="some quiet seconds")  # type: ignore[func-returns-value]

    assert seen == {"ready"}
    assert stack.cli("start").code == 0
    stack.until(lambda: state_of(stack, task) == "completed", what="the task after the start")


def test_a_second_factory_in_the_same_home_is_refused_and_the_first_goes_on(stack: Stack) -> None:
    said = stack.cli("run", "--port", str(free_port()))

    assert said.code == 5
    assert f"process: {stack.children[stack.front].pid}" in said.err
    assert len(said.err.splitlines()) == 1
    assert stack.answers()


def test_a_factory_that_is_ended_leaves_a_ready_task_ready(stack: Stack) -> None:
    assert stack.stop() == {0}

    task = stack.python(PUT)

    assert state_of(stack, task) == "ready"
    stack.start()
    stack.until(lambda: state_of(stack, task) == "completed", what="the task after the restart")
