"""One command at a time: no shell, little environment, and nothing left running."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from core.registry import Stop

POLL_S = 0.05
MOST_OUTPUT_BYTES = 20_000_000
_READ_BYTES = 200_000


@dataclass(frozen=True)
class Ran:
    """How a command ended: `why` says what killed it, else it is empty; `out` is the end of what it wrote."""

    code: int
    out: str
    why: str = ""


def run(command: Sequence[str], *, cwd: Path, env: Mapping[str, str], stop: Stop, timeout_s: float) -> Ran:
    """Run `command` until it ends, `stop` is set, its time is over, or it writes too much; its children end with it."""
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(  # noqa: S603 (no shell; what may be run is the caller's to decide)
            command, cwd=cwd, env=dict(env), stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
        try:
            why = _watch(process, out=out, stop=stop, ends_at=time.monotonic() + timeout_s)
        finally:
            _end(process)
        return Ran(code=process.returncode, out=_last(out), why=why)


def _watch(process: subprocess.Popen[bytes], *, out: IO[bytes], stop: Stop, ends_at: float) -> str:
    while True:
        try:
            process.wait(POLL_S)
        except subprocess.TimeoutExpired:
            if stop.is_set():
                return "stopped"
            if time.monotonic() > ends_at:
                return "its time was over"
            if os.fstat(out.fileno()).st_size > MOST_OUTPUT_BYTES:
                return "it wrote too much"
        else:
            return ""


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the whole group: a child left behind would go on writing in the workspace."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _last(out: IO[bytes]) -> str:
    size = out.seek(0, os.SEEK_END)
    out.seek(max(0, size - _READ_BYTES))
    return out.read().decode(errors="replace")
