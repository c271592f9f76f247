"""The roster: synced whole or not at all; every use of a tool allowed or denied in writing."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from django.conf import settings
from django.db import IntegrityError
from django.utils import timezone

from agents.roster.errors import InvalidRoster, ToolDenied, UnknownAgent
from agents.roster.models import Agent, AgentVersion, CapabilityToken
from agents.roster.services import (
    authorize,
    find_agent,
    flag_agent,
    issue_token,
    prompt_for,
    revoke_tokens,
    switch_agent,
    sync_agents,
)
from core.ids import new_id
from core.models import AuditRow
from tests.builders import an_agent

pytestmark = pytest.mark.django_db

SHIPPED = Path(settings.DATA_DIR) / "agents"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a copy of the shipped agent files."""
    return Path(shutil.copytree(SHIPPED, tmp_path / "agents"))


def edit(path: Path, old: str, new: str) -> None:
    """Change one place of a file that must be there."""
    before = path.read_text()
    assert old in before
    path.write_text(before.replace(old, new))


def test_a_fresh_factory_gets_fifteen_agents_of_which_seven_work(folder: Path) -> None:
    report = sync_agents(folder)

    assert (report.agents, len(report.added)) == (15, 15)
    assert AgentVersion.objects.values("sha256").distinct().count() == 15
    assert set(Agent.objects.enabled().values_list("name", flat=True)) == {
        "Kev", "Scout", "Atlas", "Rex", "Hawk", "Forge", "Pixel",
    }  # fmt: skip
    assert {agent.scope.label for agent in Agent.objects.select_related("scope")} == set(report.added)


def test_only_those_who_code_have_tools_and_whoever_reviews_prefers_another_provider(folder: Path) -> None:
    sync_agents(folder)

    said = {agent.name: agent.definition for agent in Agent.objects.select_related("version")}
    coders = {name for name, definition in said.items() if definition.tools}

    assert coders == {"Rex", "Pixel"}
    assert {said[name].preferred_provider for name in coders}.isdisjoint(
        {said["Hawk"].preferred_provider, ""}
    )


def test_a_second_sync_changes_nothing(folder: Path) -> None:
    sync_agents(folder)
    rows = AuditRow.objects.count()

    report = sync_agents(folder)

    assert (report.added, report.changed, report.gone) == ((), (), ())
    assert (Agent.objects.count(), AgentVersion.objects.count(), AuditRow.objects.count()) == (15, 15, rows)


def test_one_broken_file_leaves_every_row_as_it_was(folder: Path) -> None:
    sync_agents(folder)
    before = list(Agent.objects.order_by("name").values_list("name", "version_id", "role"))
    edit(folder / "atlas.md", "role: strategy", "role: chief strategy")
    edit(folder / "rex.md", "run]", "run, deploy]")
    edit(folder / "kev.md", "escalation: owner", "escalation: owner\nmood: good")

    with pytest.raises(InvalidRoster) as refusal:
        sync_agents(folder)

    assert [(fault.file, fault.field) for fault in refusal.value.faults] == [
        ("kev.md", "mood"),
        ("rex.md", "tools"),
    ]
    assert "rex.md: tools: unknown: deploy" in refusal.value.sentence
    assert list(Agent.objects.order_by("name").values_list("name", "version_id", "role")) == before


def test_a_roster_without_its_preamble_is_refused(folder: Path) -> None:
    (folder / "preamble.md").unlink()

    with pytest.raises(InvalidRoster, match=r"preamble\.md"):
        sync_agents(folder)


def test_a_changed_file_is_a_new_version_and_the_owners_switch_stays(folder: Path) -> None:
    sync_agents(folder)
    switch_agent("rex", is_enabled=False, by="owner:ada")
    old = find_agent("Rex").version
    edit(folder / "rex.md", "role: code", "role: back-end code")

    report = sync_agents(folder)

    rex = find_agent("REX")
    assert (report.changed, rex.role, rex.is_enabled) == (("Rex",), "back-end code", False)
    assert rex.version != old
    assert AgentVersion.objects.filter(pk=old.pk).exists()


def test_an_agent_whose_file_is_gone_takes_no_more_work(folder: Path) -> None:
    sync_agents(folder)
    (folder / "pixel.md").unlink()

    report = sync_agents(folder)

    assert report.gone == ("Pixel",)
    assert not find_agent("Pixel").is_enabled


def test_a_stranger_is_not_found() -> None:
    with pytest.raises(UnknownAgent):
        find_agent("Nemo")


def test_the_database_itself_refuses_the_same_name_in_another_case() -> None:
    rex = an_agent("Rex")

    with pytest.raises(IntegrityError):
        an_agent("REX", version=rex.version)


def test_the_stable_part_of_a_prompt_is_preamble_then_persona_and_the_same_bytes_each_time(
    folder: Path,
) -> None:
    sync_agents(folder)
    rex, hawk = find_agent("Rex").version, find_agent("Hawk").version

    first, second, other = prompt_for(rex), prompt_for(rex), prompt_for(hawk)

    assert first == second
    assert first.index("never orders") < first.index("You are Rex")
    assert first.split("You are Rex")[0] == other.split("You are Hawk")[0]


def a_token(*, tools: str = "[look]", minutes: float = 5) -> tuple[Agent, str]:
    """Return an agent with these tools and a token of one attempt."""
    agent = an_agent("Zed", front={"tools": tools.strip("[]").split(",")})
    return agent, issue_token(
        agent=agent, assignment_id=new_id(), expires_at=timezone.now() + timedelta(minutes=minutes)
    )


def test_a_granted_tool_is_allowed_and_a_row_says_so() -> None:
    agent, token = a_token()

    assert authorize(token, tool="look", subject="README.md") == agent

    row = AuditRow.objects.get(verb="tool.look")
    assert (row.actor, row.subject, row.outcome) == ("agent:Zed", "README.md", "done")


def test_another_tool_is_denied_and_a_row_says_why() -> None:
    _, token = a_token()

    with pytest.raises(ToolDenied):
        authorize(token, tool="fly", subject="moon")

    row = AuditRow.objects.get(verb="tool.fly")
    assert (row.actor, row.outcome, row.facts["why"]) == ("agent:Zed", "denied", "not in the agent's list")


def test_a_token_opens_nothing_after_its_attempt() -> None:
    _, token = a_token()
    assignment = CapabilityToken.objects.get().assignment_id

    ended = [revoke_tokens(assignment), revoke_tokens(assignment)]

    assert ended == [1, 0]
    with pytest.raises(ToolDenied):
        authorize(token, tool="look", subject="README.md")


def test_a_token_opens_nothing_after_its_time() -> None:
    _, token = a_token(minutes=5)

    with time_machine.travel(timezone.now() + timedelta(minutes=6)), pytest.raises(ToolDenied):
        authorize(token, tool="look", subject="README.md")


def test_a_token_of_an_agent_switched_off_opens_nothing() -> None:
    _, token = a_token()
    switch_agent("Zed", is_enabled=False, by="owner:ada")

    with pytest.raises(ToolDenied):
        authorize(token, tool="look", subject="README.md")


def test_a_made_up_token_opens_nothing_and_leaves_a_row() -> None:
    with pytest.raises(ToolDenied):
        authorize("guess", tool="look", subject="README.md")

    assert AuditRow.objects.get(verb="tool.look").actor == "agent:unknown"


def test_the_secret_itself_is_stored_nowhere() -> None:
    _, token = a_token()

    assert token not in str(CapabilityToken.objects.values().get())


def test_the_list_is_that_of_the_start_of_the_attempt() -> None:
    agent, token = a_token()
    Agent.objects.filter(pk=agent.pk).update(version=an_agent("Other", front={"tools": ["fly"]}).version)

    assert authorize(token, tool="look", subject="README.md") == agent


def test_a_flag_keeps_its_first_reason() -> None:
    an_agent("Zed")

    flag_agent("Zed", reason="denied three times")
    flag_agent("Zed", reason="again")

    assert find_agent("Zed").flag_reason == "denied three times"
    assert AuditRow.objects.filter(verb="roster.flag_agent").count() == 1
