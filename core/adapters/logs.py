"""Logs: one JSON line an event, with who said it, in which story, and nothing secret. Source: R-20.29."""

import logging
import os
import sys
from collections.abc import MutableMapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import structlog

from core.ids import at_work, correlation
from core.redact import mask_secrets

Line = MutableMapping[str, Any]
KEPT_DAYS: Final = 30
"""Source: R-08.12."""
_APPEND: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND
PARTS = ("web", "worker", "beat", "run", "edge")


def component(command: Sequence[str]) -> str:
    """Return which part of the factory this command line is: `web`, `worker`, `beat`, `factoryd`, or the verb itself."""
    words = [word for word in command[1:] if not word.startswith("-")]
    part = next((word for word in words if word in PARTS), "")
    return "factoryd" if part == "run" else part or (words[-1] if words else Path(command[0]).stem)


class Source:
    """Adds who says it and the story it belongs to."""

    def __init__(self, command: Sequence[str] = ()) -> None:
        self._component = component(command or sys.argv)

    def __call__(self, logger: object, name: str, line: Line) -> Line:
        """Add `component`, `pid`, inside a story `correlation_id`, inside a task `task` and `agent`; a line's own facts win."""
        line.pop("color_message", None)
        line.setdefault("component", self._component)
        line.setdefault("pid", os.getpid())
        if (story := correlation.get()) is not None:
            line.setdefault("correlation_id", story)
        if (work := at_work.get()) is not None:
            task_id, agent = work
            line.setdefault("task", task_id)
            line.setdefault("agent", agent)
        return line


def mask(logger: object, name: str, text: str) -> str:
    """Take keys, tokens and passwords out of a finished line."""
    return mask_secrets(text)


def json_lines() -> dict[str, Any]:
    """Return the formatter that writes JSON lines, for Django's `LOGGING`."""
    return {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": [
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            Source(),
        ],
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(default=str),
            mask,
        ],
    }


class DailyFile(logging.Handler):
    """Writes each line into the file of its UTC day, for all processes of a home; files of more than 30 days go.

    A line is one write to a file opened for appending, so lines of several processes never mix.
    """

    def __init__(self, folder: str, *, days: int = KEPT_DAYS) -> None:
        super().__init__()
        self._folder, self._days = Path(folder), days
        self._day, self._file = "", -1

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line; where nothing can be written, the other handlers still have it."""
        try:
            if (day := f"{datetime.fromtimestamp(record.created, tz=UTC):%Y-%m-%d}") != self._day:
                self._turn(day)
            os.write(self._file, f"{self.format(record)}\n".encode())
        except OSError:
            self._day = ""

    def _turn(self, day: str) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        before, self._file = self._file, os.open(self._folder / f"{day}.jsonl", _APPEND, 0o600)
        self._day = day
        if before >= 0:
            os.close(before)
        for old in sorted(self._folder.glob("????-??-??.jsonl"))[: -self._days]:
            old.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
        self._day, self._file = "", -1
        super().close()
