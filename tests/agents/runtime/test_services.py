"""One assignment carried out: by tools, within its rights, stopped in time, and never paid twice."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from agents.gateway.errors import AllProvidersDown
from agents.gateway.ports import Ask, Reply
from agents.roster.models import Agent
from agents.roster.services import revoke_tokens, switch_agent
from agents.runtime.adapters.scripted import ScriptedModel, says
from agents.runtime.models import Session, StepResult, ToolCall, Turn
from agents.runtime.services import carry_out
from billing.errors import BudgetExceeded
from core.adapters import git
from core.errors import DiskFull, FactoryError
from core.models import AuditRow
from core.registry import Assignment, Limits, Outcome, RepoRef, Stop, ToolContext, ToolResult, register_tool
from core.services import read_blob
from tests.builders import a_repository, an_agent, an_assignment

pytestmark = pytest.mark.django_db

SCHEMA = {
    "title": "Research",
    "type": "object",
    "properties": {"summary": {"type": "string"}},
    "required": ["summary"],
}


class Killed(BaseException):
    """The process dies here: nothing after it happens."""


def dies(ask: Ask) -> Reply:
    """Die instead of answering."""
    raise Killed


def write(path: str = "ping/api.py", content: str = "x = 1\n") -> tuple[str, dict[str, str]]:
    """Return a wish to write a file."""
    return "write_file", {"path": path, "content": content}


BUILD = (
    says("Looking.", ("list_files", {"path": "."}), ("read_file", {"path": "README.md"})),
    says("Writing.", write(), write("ping/rules.py", "y = 2\n")),
    says("Trying.", ("run", {"command": "python -c 'import ping.api as a; print(a.x, a.__file__)'"})),
    says("Done: two files."),
)


def carried(job: Assignment, *script: Reply | Callable[[Ask], Reply]) -> tuple[Outcome, ScriptedModel]:
    """Carry out `job` with this script; return how it ended and the model that was asked."""
    model = ScriptedModel(script)
    return carry_out(job, Stop(), model=model), model


def results(model: ScriptedModel) -> list[str]:
    """Return what the model was told by tools before its last answer."""
    return [message.text for message in model.asked[-1].messages if message.role == "tool"]


def again(job: Assignment, agent: Agent, **said: Any) -> Assignment:
    """Return the next attempt at the same piece of work."""
    same = {
        "reuse_key": job.reuse_key,
        "workspace": job.workspace,
        "inputs": job.inputs,
        "limits": job.limits,
    }
    return an_assignment(agent, **{**same, **said})


def test_an_agent_works_by_tools_and_offers_one_commit(job: Assignment) -> None:
    outcome, model = carried(job, *BUILD)

    bundle = outcome.artifacts[0]
    assert (outcome.kind, outcome.result["summary"]) == ("done", "Done: two files.")
    assert outcome.result["files"] == ["ping/api.py", "ping/rules.py"]
    assert (bundle.kind, bundle.facts["branch"], bundle.facts["commit"]) == (
        "bundle",
        "agent/api",
        outcome.result["commit"],
    )
    assert results(model) == [
        "README.md",
        "first\nsecond\n",
        "wrote ping/api.py, 1 lines",
        "wrote ping/rules.py, 1 lines",
        "exit 0\n1 /work/ping/api.py\n",
    ]


def test_the_offer_can_be_fetched_where_the_clone_came_from(job: Assignment, tmp_path: Path) -> None:
    outcome, _ = carried(job, *BUILD)
    assert job.workspace is not None
    (tmp_path / "b").write_bytes(outcome.artifacts[0].content or b"")

    git.run("fetch", "-q", str(tmp_path / "b"), "HEAD:refs/offers/x", cwd=job.workspace.repository)

    assert git.run("show", "refs/offers/x:ping/rules.py", cwd=job.workspace.repository).text == "y = 2"


def test_session_turns_and_tool_calls_tell_the_story(job: Assignment) -> None:
    carried(job, *BUILD)

    session = Session.objects.get()
    turns = list(session.turns.values_list("number", "prompt_tokens", "cost_microusd", "is_replayed"))
    assert (session.state, session.agent.name, session.ended_at is not None) == ("done", "Rex", True)
    assert b"You are Rex." in read_blob(session.prompt_id)
    assert turns == [(n, 1_000, 1_500, False) for n in (1, 2, 3, 4)]
    assert list(ToolCall.objects.order_by("pk").values_list("tool", "outcome")) == [
        ("list_files", "done"), ("read_file", "done"), ("write_file", "done"), ("write_file", "done"), ("run", "done"),
    ]  # fmt: skip


def test_every_use_of_a_tool_leaves_an_audit_row(job: Assignment) -> None:
    carried(job, *BUILD)

    rows = AuditRow.objects.filter(verb__startswith="tool.").order_by("pk")
    assert list(rows.values_list("actor", "verb", "subject"))[2:4] == [
        ("agent:Rex", "tool.write_file", "ping/api.py"),
        ("agent:Rex", "tool.write_file", "ping/rules.py"),
    ]
    assert rows.count() == 5


def test_the_model_is_asked_with_persona_brief_tools_and_what_code_knows_of_the_task(
    job: Assignment, rex: Agent
) -> None:
    said = {"arguments": {"not_provider": "openai", "untrusted_input": True}, "upstream": {}}
    _, model = carried(replace(job, inputs=said, tier_steps=1), says("Nothing to do."))

    ask = model.asked[0]
    assert ask.system.rstrip().endswith("You are Rex.")
    assert [message.text for message in ask.messages] == ["Task: write the API"]
    assert [tool.name for tool in ask.tools] == list(rex.definition.tools)
    assert (ask.agent, ask.assignment_id, ask.scopes, ask.max_tokens) == ("Rex", job.id, job.scopes, 1_000)
    assert (ask.intent.task_type, ask.intent.tier_steps) == ("coding", 1)
    assert (ask.intent.not_provider, ask.intent.untrusted_input) == ("openai", True)


def test_no_change_is_no_bundle_whatever_the_agent_says(job: Assignment) -> None:
    outcome, _ = carried(job, says("Done, all tests pass."))

    assert (outcome.artifacts, outcome.result["files"]) == ((), [])


def test_nothing_is_written_outside_the_brief(job: Assignment) -> None:
    outcome, model = carried(job, says("", write("README.md"), write("../x"), write()), says("ok"))

    assert outcome.result["files"] == ["ping/api.py"]
    assert [text.split(":")[0] for text in results(model)] == [
        "PATH_REFUSED",
        "PATH_REFUSED",
        "wrote ping/api.py, 1 lines",
    ]


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (("write_file", None), "BAD_ARGUMENTS"),
        (("write_file", {"path": "ping/a.py"}), "BAD_ARGUMENTS"),
        (("write_file", {"path": 3, "content": "x"}), "BAD_ARGUMENTS"),
        (("run", {"command": "rm -rf ."}), "COMMAND_REFUSED"),
        (("run", {"command": "/bin/sh -c true"}), "COMMAND_REFUSED"),
        (("run", {"command": "python -V && python -V"}), "COMMAND_REFUSED"),
        (("run", {"command": "python '"}), "COMMAND_REFUSED"),
        (("run", {"command": ""}), "COMMAND_REFUSED"),
        (("search", {"pattern": "("}), "GIT_FAILED"),
        (("deploy", {"to": "production"}), "TOOL_DENIED"),
    ],
)
def test_a_call_that_makes_no_sense_is_answered_and_the_work_goes_on(
    job: Assignment, call: tuple[str, dict[str, object] | None], told: str
) -> None:
    outcome, model = carried(job, says("", call), says("Understood."))

    last = model.asked[-1].messages[-1]
    assert (last.text.split(":")[0], last.is_error, outcome.kind) == (told, True, "done")


def test_a_failing_command_is_an_answer_and_no_error(job: Assignment) -> None:
    _, model = carried(job, says("", ("run", {"command": "python -c 'raise SystemExit(3)'"})), says("ok"))

    assert (results(model), model.asked[-1].messages[-1].is_error) == (["exit 3\n"], False)


def test_a_third_denial_ends_the_attempt_and_flags_the_agent(job: Assignment) -> None:
    wishes = [("deploy", {"n": str(n)}) for n in range(3)]

    outcome, model = carried(job, says("", *wishes[:2]), says("", wishes[2]), says("never asked"))

    assert (outcome.kind, outcome.error_class, len(model.asked)) == ("failed", "stuck", 2)
    assert AuditRow.objects.filter(verb="tool.deploy", outcome="denied").count() == 3
    assert Agent.objects.get().flag_reason == "denied 3 times in one attempt"


def test_a_revoked_token_opens_no_tool(job: Assignment) -> None:
    revoke_tokens(job.id)

    _, model = carried(job, says("", write()), says("ok"))

    assert results(model)[0].startswith("TOOL_DENIED")


@pytest.mark.parametrize(
    "script",
    [
        [says("", *(write(f"ping/{n}.py") for n in range(21)))],
        [
            says("", *(write(f"ping/{n}.py") for n in range(10))),
            says("", *(write(f"ping/b{n}.py") for n in range(11))),
        ],
        [says("", write()), says("", write()), says("", write())],
        [says("", write(f"ping/{n}.py"), prompt=round(1_000 * 1.3**n)) for n in range(4)],
    ],
)
def test_an_attempt_in_circles_is_stopped_before_it_does_more(job: Assignment, script: list[Reply]) -> None:
    outcome, model = carried(job, *script, says("never asked"))

    assert (outcome.kind, outcome.error_class) == ("failed", "stuck")
    assert len(model.asked) == len(script)
    assert ToolCall.objects.filter(turn__number=len(script)).count() == 0


def test_twenty_calls_and_two_equal_ones_are_allowed(job: Assignment) -> None:
    wishes = [write(f"ping/{n}.py") for n in range(19)] + [write("ping/0.py")]

    outcome, _ = carried(job, says("", *wishes), says("ok"))

    assert (outcome.kind, ToolCall.objects.count()) == ("done", 20)


def test_a_cut_answer_is_dropped_and_asked_for_again_with_twice_the_room(job: Assignment) -> None:
    outcome, model = carried(job, says("", stop="length"), says("half", stop="length"), says("whole"))

    assert [ask.max_tokens for ask in model.asked] == [1_000, 2_000, 4_000]
    assert {len(ask.messages) for ask in model.asked} == {1}
    assert (outcome.result["summary"], Turn.objects.count()) == ("whole", 3)


def test_an_answer_cut_in_the_largest_room_is_no_answer(job: Assignment) -> None:
    outcome, model = carried(
        replace(job, limits=Limits(max_tokens=20_000)),
        says("", stop="length"),
        says("", stop="length"),
        says("never"),
    )

    assert (outcome.error_class, [ask.max_tokens for ask in model.asked]) == (
        "invalid_output",
        [20_000, 32_768],
    )


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


def test_an_answer_with_a_schema_is_repaired_until_it_fits_and_each_try_is_paid_once(rex: Agent) -> None:
    task = an_assignment(rex, answer_schema=SCHEMA)
    tries = (says("no JSON"), says('{"summary": "real"}'))
    with pytest.raises(Killed):
        carried(task, tries[0], dies)

    outcome, model = carried(again(task, rex, answer_schema=SCHEMA), tries[1])
    repeat, silent = carried(again(task, rex, answer_schema=SCHEMA))

    assert (outcome.kind, outcome.result, repeat.result) == ("done", {"summary": "real"}, {"summary": "real"})
    assert (outcome.artifacts[0].kind, outcome.artifacts[0].name) == ("json", "Research")
    assert (model.asked[0].answer_schema, model.asked[0].tools, silent.asked) == (SCHEMA, (), [])
    assert "not valid" in model.asked[0].messages[-1].text
    assert sum(Turn.objects.values_list("cost_microusd", flat=True)) == 2 * 1_500


def test_an_answer_that_never_fits_is_invalid_output(rex: Agent) -> None:
    outcome, model = carried(an_assignment(rex, answer_schema=SCHEMA), *[says("no JSON")] * 3)

    assert (outcome.kind, outcome.error_class) == ("failed", "invalid_output")
    assert [ask.intent.tier_steps for ask in model.asked] == [0, 0, 1]


def test_without_workspace_and_schema_the_answer_is_a_text_and_no_tool_is_offered(rex: Agent) -> None:
    outcome, model = carried(an_assignment(rex, title="Say it"), says("As it is."))

    assert (outcome.result, outcome.artifacts[0].content, model.asked[0].tools) == (
        {"summary": "As it is."},
        b"As it is.",
        (),
    )


def test_an_agent_that_is_switched_off_or_unknown_takes_no_work(job: Assignment) -> None:
    unknown, _ = carried(replace(job, agent="Nemo"), says("never asked"))
    switch_agent("Rex", is_enabled=False, by="owner:ada")
    off, model = carried(job, says("never asked"))

    assert [(o.kind, o.error_class) for o in (unknown, off)] == [("failed", "permanent")] * 2
    assert (model.asked, Session.objects.count()) == ([], 0)


def test_a_repository_that_is_gone_is_said_and_may_come_back(job: Assignment, tmp_path: Path) -> None:
    (tmp_path / "bare.git").rename(tmp_path / "elsewhere.git")

    outcome, _ = carried(job, *BUILD)

    assert (outcome.kind, outcome.error_class) == ("failed", "transient")


def test_what_runs_is_what_has_a_live_token(job: Assignment, rex: Agent) -> None:
    seen: list[int] = []

    def looks(ask: Ask) -> Reply:
        seen.append(Session.objects.running().count())
        revoke_tokens(ask.assignment_id)
        seen.append(Session.objects.running().count())
        raise Killed

    with pytest.raises(Killed):
        carried(job, looks)

    assert seen == [1, 0]


def test_no_transaction_is_open_while_the_model_thinks(job: Assignment) -> None:
    open_inside: list[int] = []

    def looks(ask: Ask) -> Reply:
        open_inside.append(len(connection.savepoint_ids))
        return says("ok")

    carried(job, looks)

    assert open_inside == [0]
