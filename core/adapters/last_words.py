"""The last lines a process wrote before it died, kept in a file so that whoever finds it dead can say why."""

import atexit
import faulthandler
import logging
import os
import time
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Final, TextIO

from django.conf import settings

from core.adapters.processes import process_name
from core.redact import mask_secrets

LINES: Final = 20
SILENT: Final = (
    "It wrote nothing of its end: killed from outside (SIGKILL), most often because memory ran out."
)
_KEPT_S: Final = 7 * 24 * 3_600
_MARKS: Final = ("Fatal Python error", "signal ")
_kept: dict[int, Path] = {}
_traces: list[TextIO] = []
"""Held open: a fatal signal leaves no time to open a file."""


class _Masked(logging.Formatter):
    """Writes a line, and the trace under it, without anything secret. Source: R-08.12."""

    def format(self, record: logging.LogRecord) -> str:
        return mask_secrets(super().format(record))


class _OurFile(RotatingFileHandler):
    """A file that whoever runs the factory can read, and nobody else."""

    def _open(self) -> TextIOWrapper:
        os.close(os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT, 0o600))
        return super()._open()


def keep_last_words() -> None:
    """Write what this process logs, and the trace of a fatal signal, into a file as well. Safe to call twice."""
    if os.getpid() in _kept:
        return
    path = _file_of(process_name())
    path.parent.mkdir(parents=True, exist_ok=True)
    for old in path.parent.glob("*.log*"):
        if time.time() - old.stat().st_mtime > _KEPT_S:
            old.unlink(missing_ok=True)
    handler = _OurFile(path, maxBytes=64_000, backupCount=1)
    handler.setFormatter(_Masked("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.getLogger().addHandler(handler)
    _traces.append(path.open("a"))
    faulthandler.enable(file=_traces[-1])
    _kept[os.getpid()] = path
    atexit.register(_forget, os.getpid())


def leave_last_words() -> None:
    """Let what this process wrote stay, though it ends in order: somebody made it end."""
    atexit.unregister(_forget)


def last_words_of(name: str) -> str:
    """Return the last lines of a dead process or of the process of a worker; empty when nothing is known."""
    path = _file_of(name.partition("#")[0])
    try:
        lines = path.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    is_told = any(mark in line for line in lines[-60:] for mark in _MARKS)
    return "\n".join([*([] if is_told else [SILENT]), *lines[-LINES:]])


def note_end(pid: int, how: str) -> None:
    """Write down how a process of this host ended, as its parent saw it, e.g. `signal 9 (SIGKILL)`."""
    began = _file_of(process_name(pid).rpartition(":")[0])
    for path in began.parent.glob(f"{began.stem}_*.log"):
        with path.open("a") as file:
            file.write(f"ended by {how}\n")


def _file_of(name: str) -> Path:
    return Path(settings.HOME) / "run" / f"{name.replace(':', '_').replace('/', '_')}.log"


def _forget(pid: int) -> None:
    """Who ends by himself needs no last words; a child that was forked has a file of its own."""
    if pid == os.getpid() and pid in _kept:
        faulthandler.disable()
        for trace in _traces:
            trace.close()
        _kept.pop(pid).unlink(missing_ok=True)
