"""Agent files."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from agents.roster.errors import Fault
from agents.roster.rules import AgentFile, join_prompt, read_file, roster_faults, why_denied

NOW = datetime(2026, 11, 26, tzinfo=UTC)


def text(front: str, body: str = "You are Zed. You help.") -> bytes:
    """Return an agent file with this front matter."""
    return f"---\n{front}\n---\n{body}\n".encode()


def a_file(name: str, *, front: str = "") -> AgentFile:
    """Return a valid agent file."""
    read = read_file(f"{name.lower()}.md", text(f"name: {name}\nrole: tester\n{front}"), tools={"look"})
    assert isinstance(read, AgentFile)
    return read


def test_a_file_with_name_role_and_a_sentence_has_exactly_the_defaults() -> None:
    said = a_file("Zed").definition

    assert (said.quality, said.thinking, said.temperature, said.max_tokens) == ("good", "off", 0.3, 4096)
    assert (said.tools, said.skills, said.escalation, said.sandbox) == ((), (), "kev", "standard")
    assert (said.limits.max_parallel, said.limits.max_cost_per_task_usd) == (1, Decimal(5))
    assert said.memory.model_dump() == {
        "working": True,
        "episodic": True,
        "semantic": False,
        "shared": "none",
    }


@pytest.mark.parametrize(
    ("front", "field"),
    [
        ("role: tester", "name"),
        ("name: Zed", "role"),
        ("name: Owner\nrole: tester", "name"),
        ("name: Zed\nrole: tester\nmax_tokens: 32769", "max_tokens"),
        ("name: Zed\nrole: tester\ntemperature: 1.1", "temperature"),
        ("name: Zed\nrole: tester\nquality: superb", "quality"),
        ("name: Zed\nrole: tester\nlimits: {max_parallel: 11}", "limits.max_parallel"),
        ("name: Zed\nrole: tester\nlimits: {max_cost_per_task_usd: 6}", "limits.max_cost_per_task_usd"),
        ("name: Zed\nrole: tester\nmemory: {shared: all}", "memory.shared"),
        ("name: Zed\nrole: tester\nmood: good", "mood"),
        ("name: Zed\nrole: tester\ntools: [fly]", "tools"),
        ("name: Zed\nrole: tester\nskills: [juggling]", "skills"),
        ("name: Zed\nrole: tester\nchannels: [pigeon]", "channels"),
        ("name: [Zed", "front matter"),
        ("just words", "front matter"),
    ],
)
def test_an_invalid_file_says_file_field_and_reason(front: str, field: str) -> None:
    faults = read_file("zed.md", text(front), tools={"look"})

    assert isinstance(faults, list)
    assert [(fault.file, fault.field) for fault in faults] == [("zed.md", field)]
    assert faults[0].reason


@pytest.mark.parametrize("content", [b"", b"You are Zed.", b"---\nname: Zed\n", b"\xff\xfe"])
def test_a_file_without_front_matter_is_refused(content: bytes) -> None:
    faults = read_file("zed.md", content, tools=set())

    assert isinstance(faults, list)
    assert faults[0].field == "front matter"


def test_a_body_without_a_sentence_is_refused() -> None:
    assert read_file("zed.md", text("name: Zed\nrole: tester", body="..."), tools=set()) == [
        Fault("zed.md", "body", "at least one sentence is needed")
    ]


def test_thinking_off_is_a_word_though_yaml_reads_it_as_false() -> None:
    assert a_file("Zed", front="thinking: off").definition.thinking == "off"


@pytest.mark.parametrize(
    ("escalations", "faulty"),
    [
        ({"Kev": "owner", "Rex": "kev", "Pixel": "Rex"}, []),
        ({"Kev": "rex", "Rex": "kev"}, ["kev.md", "rex.md"]),
        ({"Kev": "kev"}, ["kev.md"]),
        ({"Kev": "owner", "Rex": "nobody"}, ["rex.md"]),
    ],
)
def test_escalation_must_end_at_the_owner(escalations: dict[str, str], faulty: list[str]) -> None:
    files = [a_file(name, front=f"escalation: {target}") for name, target in escalations.items()]

    faults = roster_faults(files)

    assert [(fault.file, fault.field) for fault in faults] == [(file, "escalation") for file in faulty]


def test_two_agents_of_one_name_in_any_case_are_one_too_many() -> None:
    faults = roster_faults(
        [a_file("ZED", front="escalation: owner"), a_file("Zed", front="escalation: owner")]
    )

    assert [fault.field for fault in faults] == ["name"]


def test_a_successor_must_be_another_agent() -> None:
    faults = roster_faults([a_file("Zed", front="escalation: owner\nabsorbed_by: zed")])

    assert [fault.field for fault in faults] == ["absorbed_by"]


@pytest.mark.parametrize(
    ("call", "is_denied"),
    [
        (("look", True, 1), False),
        (("fly", True, 1), True),
        (("look", False, 1), True),
        (("look", True, 0), True),
    ],
)
def test_a_call_needs_the_tool_the_switch_and_the_time(
    *, call: tuple[str, bool, int], is_denied: bool
) -> None:
    tool, is_enabled, minutes_left = call
    ends_at = NOW + timedelta(minutes=minutes_left)

    why = why_denied(tool=tool, allowed=["look"], is_enabled=is_enabled, ends_at=ends_at, now=NOW)

    assert bool(why) == is_denied


def test_layers_stand_in_their_order_and_empty_ones_leave_no_gap() -> None:
    assert join_prompt("first\n", "", " second ") == "first\n\nsecond\n"
