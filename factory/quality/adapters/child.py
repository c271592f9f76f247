"""Child processes of a measurement: no shell, an environment of their own, an end for certain."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Done:
    """How a child ended; `code` None means that its time was over."""

    code: int | None
    out: str
    err: str


def run_child(
    command: Sequence[str | Path], *, folder: Path, timeout_s: float, extra: Mapping[str, str] | None = None
) -> Done:
    """Run `command` in `folder` with `extra` as nearly its whole environment; leaves nothing running."""
    environment = {"PATH": os.defpath, "PYTHONUTF8": "1", "PYTHONWARNINGS": "", **(extra or {})}
    child = subprocess.Popen(  # noqa: S603 (no shell)
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        out, err = child.communicate(timeout=timeout_s)
        code = child.returncode
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        (out, err), code = child.communicate(), None
    return Done(code, out.decode(errors="replace"), err.decode(errors="replace"))
