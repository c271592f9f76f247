"""Logs: one JSON line an event, with who said it, in which story, and nothing secret. Source: R-20.29."""

import os
import sys
from collections.abc import MutableMapping, Sequence
from pathlib import Path
from typing import Any

import structlog

from core.ids import correlation
from core.redact import mask_secrets

Line = MutableMapping[str, Any]
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
        """Add `component`, `pid` and, inside a story, `correlation_id`; a line's own facts win."""
        line.pop("color_message", None)
        line.setdefault("component", self._component)
        line.setdefault("pid", os.getpid())
        if (story := correlation.get()) is not None:
            line.setdefault("correlation_id", story)
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
