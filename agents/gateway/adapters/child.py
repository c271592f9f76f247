"""Starts the rehearsal server as a child that has nothing of ours: no environment, no folder, one socket."""

import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from agents.gateway.adapters.rehearsal.dice import Seed

_SERVE = Path(__file__).parent / "rehearsal" / "serve.py"
_BACKLOG = 128


@dataclass(frozen=True)
class Process:
    """A running rehearsal server; it ends with `stop()`, or with us, however we end."""

    pid: int
    path: Path
    _child: "subprocess.Popen[bytes]" = field(repr=False, compare=False)

    @property
    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self._child.poll() is None

    def stop(self) -> None:
        """End the child and remove its socket; safe to run twice."""
        if self._child.stdin:
            self._child.stdin.close()
        self._child.wait()
        self.path.unlink(missing_ok=True)


def start(seed: str, socket_path: Path) -> Process:
    """Serve both providers' protocols on `socket_path`; calls queue there before the child is up.

    Args:
        seed: `NUMBER[:FLAG[,FLAG]]` with the flags `clean`, `defect=NAME`, `broken=N`.
        socket_path: a fresh path; a socket that an earlier process left there is removed.

    Raises:
        ValueError: no such seed.

    The child's stdin is a pipe that only we hold: when we are gone, however, it reads its end and goes too.
    """
    Seed.read(seed)
    if socket_path.is_socket():
        socket_path.unlink()
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(socket_path))
        socket_path.chmod(0o600)
        door.listen(_BACKLOG)
        child = subprocess.Popen(  # noqa: S603  our own file, fixed arguments
            [sys.executable, "-I", str(_SERVE), seed, str(door.fileno())],
            env={},
            cwd="/",
            pass_fds=[door.fileno()],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    return Process(child.pid, socket_path, child)
