"""A coder's tools and transcript: which tool does what, and what has happened so far as the messages tell it."""

import json
import re
from dataclasses import dataclass, field

from .wire import Ask, Said, Tool

_ROLES = {"path": r"path|file", "content": r"content|text|body", "command": r"command|cmd|script"}
_NEEDS = {"write": ("path", "content"), "run": ("command",), "read": ("path",), "list": ("path",)}
_NAMES = {
    "read": r"read|view|open|cat|get", "list": r"list|ls|glob|tree|dir", "write": r"write|create|put|save",
    "run": r"run|bash|exec|shell|term",
}  # fmt: skip


@dataclass
class Story:
    """What has happened so far; `last_write` is the number of runs before the last write."""

    was_listed: bool = False
    read: dict[str, str] = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)
    runs: list[tuple[str, str]] = field(default_factory=list)
    last_write: int = 0

    @property
    def shown(self) -> dict[str, str]:
        """Every file whose text is known, as it stands."""
        return {**self.read, **self.written}

    @property
    def runs_since(self) -> list[tuple[str, str]]:
        """Commands and outputs after the last write."""
        return self.runs[self.last_write :]


def story_of(ask: Ask) -> Story:
    """The story that the messages tell; a write or run that failed has not happened, a look is not taken twice."""
    story, calls = Story(), {call.id: call for turn in ask.turns for call in turn.calls}
    for turn in ask.turns:
        call = calls.get(turn.call_id) if turn.role == "tool" else None
        given = _loads(call.arguments) if call else None
        verb = next((v for v in ("write", "read", "run", "list") if call and _does(ask, v, call.name)), "")
        if given is not None and verb and (not turn.is_error or verb in ("read", "list")):
            _happen(story, verb, {role: _given(ask, verb, given, role) for role in _ROLES}, turn.text)
    return story


def _happen(story: Story, verb: str, given: dict[str, str], result: str) -> None:
    if verb == "list":
        story.was_listed = True
    elif verb == "read":
        story.read[given["path"]] = result
    elif verb == "write":
        story.written[given["path"]] = given["content"]
        story.last_write = len(story.runs)
    else:
        story.runs.append((given["command"], result))


def can_code(ask: Ask) -> bool:
    """True when the tools offered let one read, write and run."""
    return all(_tool(ask, verb) for verb in ("read", "write", "run"))


def calls(ask: Ask, *wishes: tuple[str, dict[str, str]], why: str = "") -> Said:
    """The tool calls that do `wishes` (verb and what it is given); a verb without a tool is left out."""
    made = []
    for verb, roles in wishes:
        if tool := _tool(ask, verb):
            given = {_parameter(tool, role) or role: value for role, value in roles.items()}
            made.append((tool.name, json.dumps(given, ensure_ascii=False)))
    return Said(why, tuple(made), "calls")


def _does(ask: Ask, verb: str, name: str) -> bool:
    tool = _tool(ask, verb)
    return tool is not None and tool.name == name


def _tool(ask: Ask, verb: str) -> Tool | None:
    """The tool that does `verb`, known by its parameters first and its name second."""
    fitting = [t for t in ask.tools if all(_parameter(t, role) for role in _NEEDS[verb])]
    fitting = [t for t in fitting if verb in ("write", "run") or not _parameter(t, "content")]
    return next((t for t in fitting if re.search(_NAMES[verb], t.name, re.I)), None)


def _parameter(tool: Tool, role: str) -> str | None:
    return next((p for p in tool.schema.get("properties", {}) if re.search(_ROLES[role], p, re.I)), None)


def _given(ask: Ask, verb: str, given: dict[str, str], role: str) -> str:
    tool = _tool(ask, verb)
    return str(given.get((tool and _parameter(tool, role)) or role, ""))


def _loads(arguments: str) -> dict[str, str] | None:
    try:
        said = json.loads(arguments)
    except ValueError:
        return None
    return said if isinstance(said, dict) else None
