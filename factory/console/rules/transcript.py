"""How an attempt is told: one line for each thing that was said or done."""

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Protocol

MOST_LETTERS: Final = 6_000
MOST_DIFF_LINES: Final = 160
_READS: Final = frozenset({"read_file", "list_files", "search"})
_FEW_LINES: Final = 14
"""A diff or an output of so many lines stands open."""


@dataclass(frozen=True)
class Line:
    """One thing said or done.

    Attributes:
        kind: `say`, `answer`, `run`, `write`, `read`, `tool`, or `note` for what a person told the agent.
        title: of what was done: a command, a path, a name.
        text: what was said or told.
        diff: changed lines of a written file.
        is_outside: the text comes from outside and was not checked.
        cost_microusd: of the turn, on its first line; None on the others.
    """

    kind: str
    at: datetime
    title: str = ""
    text: str = ""
    diff: tuple[str, ...] = ()
    state: str = "done"
    is_outside: bool = False
    is_replayed: bool = False
    is_cut: bool = False
    cost_microusd: int | None = None

    @property
    def is_long(self) -> bool:
        """Whether it is folded."""
        return len(self.diff) > _FEW_LINES or self.text.count("\n") > _FEW_LINES or len(self.text) > 1_500

    @property
    def added(self) -> int:
        """How many lines were added."""
        return sum(line.startswith("+") for line in self.diff)

    @property
    def dropped(self) -> int:
        """How many lines were taken away."""
        return sum(line.startswith("−") for line in self.diff)


class Use(Protocol):
    """One use of a tool, as it is kept."""

    tool: str
    arguments: Mapping[str, Any] | None
    result: str
    outcome: str
    is_error: bool
    is_replayed: bool


@dataclass
class Teller:
    """Tells turn after turn; it remembers files as they were last read or written, to show what changed."""

    outside: frozenset[str] = frozenset()
    files: dict[str, str] = field(default_factory=dict)

    def turn(
        self, text: str, uses: Iterable[Use], *, at: datetime, cost_microusd: int, is_replayed: bool
    ) -> list[Line]:
        """Return the lines of one turn."""
        lines = [said(text, at=at, is_replayed=is_replayed)] if text.strip() else []
        lines += [self._use(use, at=at) for use in uses]
        lines = lines or [Line("say", at, text="", is_replayed=is_replayed)]
        first = lines[0]
        return [replace(first, cost_microusd=cost_microusd), *lines[1:]]

    def _use(self, use: Use, *, at: datetime) -> Line:
        arguments = use.arguments or {}
        path = str(arguments.get("path", ""))
        state = use.outcome if use.outcome != "done" else "failed" if use.is_error else "done"
        line = Line("tool", at, state=state, is_outside=use.tool in self.outside, is_replayed=use.is_replayed)
        if use.tool == "write_file" and "content" in arguments:
            diff = self._written(path, str(arguments["content"]))
            return replace(
                line, kind="write", title=path, diff=diff, text="" if state == "done" else cut(use.result)
            )
        if use.tool == "read_file" and state == "done":
            self.files[path] = use.result
        told = replace(line, text=cut(use.result), is_cut=len(use.result) > MOST_LETTERS)
        if use.tool == "run":
            return replace(told, kind="run", title=str(arguments.get("command", "")))
        named = " ".join([use.tool.replace("_", " "), *(str(value)[:80] for value in arguments.values())])
        return replace(told, kind="read" if use.tool in _READS else "tool", title=named)

    def _written(self, path: str, content: str) -> tuple[str, ...]:
        before, self.files[path] = self.files.get(path, ""), content
        return changed_lines(before, content)


def changed_lines(before: str, after: str) -> tuple[str, ...]:
    """Return what changed as lines that begin with `+`, `−` or a blank; of a long change the beginning."""
    changes = list(difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=2))[2:]
    shown = [f"−{line[1:]}" if line.startswith("-") else line for line in changes[:MOST_DIFF_LINES]]
    return (
        *shown,
        *([f"@ {len(changes) - MOST_DIFF_LINES} more lines"] if len(changes) > MOST_DIFF_LINES else []),
    )


def said(text: str, *, at: datetime, is_replayed: bool) -> Line:
    """Return what a model said; an answer in JSON is set as such."""
    is_json = text.lstrip()[:1] in "{["
    shown = pretty(text) if is_json else text.strip()
    return Line(
        "answer" if is_json else "say",
        at,
        text=cut(shown),
        is_replayed=is_replayed,
        is_cut=len(shown) > MOST_LETTERS,
    )


def pretty(text: str) -> str:
    """Return JSON with line breaks; what cannot be read as JSON as it is."""
    try:
        return json.dumps(json.loads(text), indent=1, ensure_ascii=False)
    except ValueError:
        return text


def cut(text: str) -> str:
    """Return at most 6,000 letters, from the end of what is longer: errors stand there."""
    return text if len(text) <= MOST_LETTERS else f"…{text[-MOST_LETTERS:]}"


@dataclass(frozen=True)
class Changed:
    """One file that an attempt wrote: lines added and taken away, over all writes."""

    path: str
    added: int
    dropped: int


def changed_files(lines: Sequence[Line]) -> tuple[Changed, ...]:
    """Return the files an attempt wrote, in the order of the first write."""
    sums: dict[str, tuple[int, int]] = {}
    for line in lines:
        if line.kind == "write" and line.state == "done":
            added, dropped = sums.get(line.title, (0, 0))
            sums[line.title] = added + line.added, dropped + line.dropped
    return tuple(Changed(path, *counts) for path, counts in sums.items())
