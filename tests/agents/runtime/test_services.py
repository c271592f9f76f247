"""One assignment carried out: by tools, within its rights, asked for anew when cut, and refused when it may not be."""

from dataclasses import replace
from pathlib import Path

import pytest
from django.db import connection

from agents.gateway.ports import Ask, Reply
from agents.roster.models import Agent
from agents.roster.services import revoke_tokens, switch_agent
from agents.runtime.adapters.scripted import says
from agents.runtime.models import Session, ToolCall, Turn
from core.adapters import git
from core.models import AuditRow
from core.registry import Assignment, Limits
from core.services import read_blob
from tests.agents.runtime.script import BUILD, Killed, again, carried, dies, results, write
from tests.builders import an_assignment

pytestmark = pytest.mark.django_db

SCHEMA = {
    "title": "Research",
    "type": "object",
    "properties": {"summary": {"type": "string"}},
    "required": ["summary"],
}


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


@pytest.mark.parametrize(
    ("sort", "arguments", "is_sensitive"),
    [
        ("deploy", {}, True),
        ("credentials", {"security_sensitive": False}, True),
        ("code", {}, False),
        ("code", {"security_sensitive": True}, True),
    ],
)
def test_the_sort_of_work_makes_a_call_sensitive_and_no_argument_takes_that_back(
    rex: Agent, *, sort: str, arguments: dict[str, bool], is_sensitive: bool
) -> None:
    job = an_assignment(rex, type=sort, inputs={"upstream": {}, "arguments": arguments})

    _, model = carried(job, says("Done."))

    assert model.asked[0].intent.security_sensitive is is_sensitive
