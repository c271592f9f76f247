"""After a stop, a death or a failure from outside the next attempt goes on, and no finished step is done or paid again."""

import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agents.gateway.errors import AllProvidersDown
from agents.gateway.ports import Ask, Reply
from agents.roster.models import Agent
from agents.runtime.adapters.scripted import ScriptedModel, says
from agents.runtime.models import Session, StepResult, ToolCall, Turn
from agents.runtime.services import carry_out
from billing.errors import BudgetExceeded
from core.adapters import git
from core.errors import DiskFull, FactoryError
from core.registry import Assignment, RepoRef, Stop, ToolContext, ToolResult, register_tool
from tests.agents.runtime.script import BUILD, Killed, again, carried, dies, results, write
from tests.builders import a_repository, an_agent, an_assignment

pytestmark = pytest.mark.django_db


def test_a_stop_between_two_calls_ends_the_attempt_and_the_next_goes_on(job: Assignment, rex: Agent) -> None:
    stop = Stop()

    def answers_and_stops(ask: Ask) -> Reply:
        stop.set()
        return BUILD[1]

    outcome = carry_out(job, stop, model=ScriptedModel([BUILD[0], answers_and_stops]))
    later, model = carried(again(job, rex), *BUILD[2:])

    assert (outcome.kind, Session.objects.get(assignment_id=job.id).state) == ("stopped", "stopped")
    assert (later.kind, later.result["files"], len(model.asked)) == (
        "done",
        ["ping/api.py", "ping/rules.py"],
        2,
    )


def test_a_command_cut_by_a_stop_is_run_again_by_the_next_attempt(
    job: Assignment, rex: Agent, tmp_path: Path
) -> None:
    stop, begun = Stop(), tmp_path / "begun"
    slow = f"import pathlib, time; b = pathlib.Path('{begun}'); new = not b.exists(); b.touch(); time.sleep(60 * new)"
    watcher = threading.Thread(target=set_when_there, args=(stop, begun))
    watcher.start()

    outcome = carry_out(
        job, stop, model=ScriptedModel([says("", ("run", {"command": f'python -c "{slow}"'}))])
    )
    watcher.join()
    later, model = carried(again(job, rex), says("ok"))

    assert (outcome.kind, later.kind, results(model)) == ("stopped", "done", ["exit 0\n"])


def set_when_there(stop: Stop, path: Path) -> None:
    """Set `stop` as soon as `path` exists, after a minute all the same."""
    waiter = threading.Event()
    any(path.exists() or waiter.wait(0.02) for _ in range(3_000))
    stop.set()


@pytest.mark.parametrize("keeps_workspace", [True, False], ids=["workspace kept", "workspace gone"])
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_after_a_death_no_finished_step_is_paid_again_and_the_end_is_the_same(
    job: Assignment, rex: Agent, work_dir: Path, turns: int, *, keeps_workspace: bool
) -> None:
    with pytest.raises(Killed):
        carried(job, *BUILD[:turns], dies)
    work_dir.joinpath(str(job.reuse_key)).rename(
        work_dir / (str(job.reuse_key) if keeps_workspace else "lost")
    )

    outcome, model = carried(again(job, rex), *BUILD[turns:])

    assert len(model.asked) == 4 - turns
    assert (outcome.kind, outcome.result["files"]) == ("done", ["ping/api.py", "ping/rules.py"])
    assert results(model)[-1] == "exit 0\n1 /work/ping/api.py\n"
    paid = StepResult.objects.filter(reuse_key=job.reuse_key, cost_microusd__gt=0)
    assert sum(paid.values_list("cost_microusd", flat=True)) == 4 * 1_500
    assert sum(Turn.objects.values_list("cost_microusd", flat=True)) == 4 * 1_500
    dead = Session.objects.get(assignment_id=job.id)
    assert (dead.state, dead.error) == ("stopped", "its process died")


def test_a_kept_result_is_told_again_without_running_the_tool_again(
    job: Assignment, rex: Agent, work_dir: Path
) -> None:
    count = "open('count','a').write('x'); print(len(open('count').read()))"
    look = says("", ("run", {"command": f'python -c "{count}"'}))
    with pytest.raises(Killed):
        carried(job, look, dies)

    carried(again(job, rex), says("", ("run", {"command": f'python -c "{count}" again'})), says("ok"))

    assert list(ToolCall.objects.order_by("pk").values_list("result", "is_replayed")) == [
        ("exit 0\n1\n", False), ("exit 0\n1\n", True), ("exit 0\n2\n", False),
    ]  # fmt: skip


DEATHS: list[str] = []


@register_tool("count_up", description="Add a line.", schema={"type": "object"}, tool_class="run")
def count_up(context: ToolContext, arguments: Mapping[str, Any], /) -> ToolResult:
    """Add a line to a file; die afterwards as often as the test wants."""
    counted = context.workspace / "ping" / "count"
    counted.parent.mkdir(exist_ok=True)
    with counted.open("a") as file:
        file.write("x\n")
    if DEATHS:
        raise Killed(DEATHS.pop())
    return ToolResult(counted.read_text())


def test_what_a_tool_had_half_done_at_its_death_is_done_once(tmp_path: Path) -> None:
    agent = an_agent("Zed", front={"tools": ["count_up"]})
    ref = RepoRef(a_repository(tmp_path / "bare.git"), "main", "agent/count", ("**",))
    job, steps = an_assignment(agent, workspace=ref), [says("", ("count_up", {"n": n})) for n in (1, 2)]

    def answers_deadly(ask: Ask) -> Reply:
        DEATHS[:] = ["at the second call"]
        return steps[1]

    with pytest.raises(Killed):
        carried(job, steps[0], answers_deadly)
    DEATHS[:] = ["while the first call is repeated"]
    with pytest.raises(Killed):
        carried(again(job, agent))
    outcome, model = carried(again(job, agent), says("ok"))

    assert results(model) == ["x\n", "x\nx\n"]
    assert outcome.result["files"] == ["ping/count"]


DISKS = [DiskFull(while_trying="to write")]


@register_tool("need_room", description="Write.", schema={"type": "object"}, tool_class="write")
def need_room(context: ToolContext, arguments: Mapping[str, Any], /) -> ToolResult:
    """Leave half a file on a disk that is full once, then write it whole."""
    file = context.workspace / "half"
    file.write_text("")
    if DISKS:
        raise DISKS.pop()
    return ToolResult(str(file.write_text("whole\n")))


def test_a_full_disk_is_not_told_to_the_agent_and_the_tool_is_used_again_when_there_is_room(
    tmp_path: Path,
) -> None:
    agent = an_agent("Zed", front={"tools": ["need_room"]})
    ref = RepoRef(a_repository(tmp_path / "bare.git"), "main", "agent/room", ("**",))
    job = an_assignment(agent, workspace=ref)

    outcome, _ = carried(job, says("", ("need_room", {})))
    later, model = carried(again(job, agent), says("ok"))

    assert (outcome.kind, outcome.misses) == ("failed", "disk")
    assert results(model) == ["6"]
    assert later.result["files"] == ["half"]


def test_a_death_between_two_tools_repeats_only_what_was_not_finished(job: Assignment, rex: Agent) -> None:
    with pytest.raises(Killed):
        carried(job, *BUILD[:2], dies)
    written = StepResult.objects.filter(value__text="wrote ping/rules.py, 1 lines")
    written.delete()

    carried(again(job, rex), *BUILD[2:])

    later = ToolCall.objects.filter(turn__session__state="done", tool="write_file").order_by("pk")
    assert list(later.values_list("is_replayed", flat=True)) == [True, False]


@pytest.mark.parametrize(
    ("refusal", "said"), [(AllProvidersDown(), "transient"), (BudgetExceeded(layer="task"), "budget")]
)
def test_a_failure_from_outside_is_continued_as_if_it_had_not_been(
    job: Assignment, rex: Agent, refusal: FactoryError, said: str
) -> None:
    def fails(ask: Ask) -> Reply:
        raise refusal

    outcome, _ = carried(job, *BUILD[:2], fails)
    later, model = carried(again(job, rex, last_error=outcome.error, tier_steps=1), *BUILD[2:])

    assert (outcome.kind, outcome.error_class) == ("failed", said)
    assert (later.kind, len(model.asked)) == ("done", 2)
    assert "last_attempt" not in model.asked[0].messages[0].text


def test_after_a_fault_of_the_work_the_next_attempt_is_told_and_starts_clean(
    job: Assignment, rex: Agent, work_dir: Path
) -> None:
    outcome, _ = carried(job, says("", write("ping/junk.py")), says("", *[write()] * 3))

    later, model = carried(again(job, rex, last_error=outcome.error), *BUILD)

    assert "the same tool call 3 times" in model.asked[0].messages[0].text
    assert later.result["files"] == ["ping/api.py", "ping/rules.py"]
    assert Turn.objects.filter(is_replayed=True).count() == 0
    assert list(work_dir.iterdir()) == []


def test_a_refused_result_is_done_again_though_the_reason_is_the_same_as_last_time(
    job: Assignment, rex: Agent
) -> None:
    first, _ = carried(again(job, rex, last_error="no tests"), *BUILD)

    second, model = carried(again(job, rex, last_error="no tests", tier_steps=1), *BUILD)

    assert (first.kind, second.kind, len(model.asked)) == ("done", "done", 4)


def test_a_continued_attempt_begins_where_the_first_began_though_main_moved_on(
    job: Assignment, rex: Agent
) -> None:
    assert job.workspace is not None
    old = git.run("rev-parse", "main~1", cwd=job.workspace.repository).text
    git.run("update-ref", "refs/heads/side", old, cwd=job.workspace.repository)
    side = replace(job, workspace=replace(job.workspace, commit="side"))
    with pytest.raises(Killed):
        carried(side, *BUILD[:1], dies)
    git.run("update-ref", "refs/heads/side", "main", cwd=job.workspace.repository)

    outcome, _ = carried(again(side, rex), *BUILD[1:])

    assert outcome.result["base"] == old
