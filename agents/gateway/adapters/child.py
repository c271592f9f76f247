"""Starts a server as a child that has nothing of ours: no environment, no folder, one socket."""

import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agents.gateway.adapters.rehearsal.dice import Seed

_REHEARSAL = Path(__file__).parent / "rehearsal" / "serve.py"
_LITELLM = Path(__file__).parent / "litellm_child" / "serve.py"
_QUIET = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False"}
"""LiteLLM asks nobody for a newer table of prices, and tells nobody anything."""
_BACKLOG = 128
_ENDS_IN_S = 5.0


@dataclass(frozen=True)
class Process:
    """A running child; it ends with `stop()`, or with us, however we end."""

    pid: int
    path: Path
    _child: "subprocess.Popen[bytes]" = field(repr=False, compare=False)

    @property
    def is_alive(self) -> bool:
        """Whether it still runs."""
        return self._child.poll() is None

    def stop(self) -> None:
        """End the child, with force where it hangs, and remove its socket; safe to run twice."""
        if self._child.stdin:
            self._child.stdin.close()
        try:
            self._child.wait(_ENDS_IN_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self.path.unlink(missing_ok=True)


def start(seed: str, socket_path: Path) -> Process:
    """Serve both providers' protocols on `socket_path`; calls queue there before the child is up.

    Args:
        seed: `NUMBER[:FLAG[,FLAG]]` with the flags `clean`, `defect=NAME`, `broken=N`.
        socket_path: a fresh path; a socket that an earlier process left there is removed.

    Raises:
        ValueError: no such seed.
    """
    Seed.read(seed)
    return _serve(_REHEARSAL, seed, socket_path=socket_path, env={})


def start_litellm(socket_path: Path, *, env: Mapping[str, str]) -> Process:
    """Serve whatever LiteLLM speaks on `socket_path`, in OpenAI's protocol; `env`: how the network is reached."""
    return _serve(_LITELLM, socket_path=socket_path, env={**env, **_QUIET})


def _serve(script: Path, *args: str, socket_path: Path, env: Mapping[str, str]) -> Process:
    """Start `script` with its arguments and a listening socket.

    The child's stdin is a pipe that only we hold: when we are gone, however, it reads its end and goes too.
    """
    if socket_path.is_socket():
        socket_path.unlink()
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(socket_path))
        socket_path.chmod(0o600)
        door.listen(_BACKLOG)
        child = subprocess.Popen(  # noqa: S603  our own file, fixed arguments
            [sys.executable, "-I", str(script), *args, str(door.fileno())],
            env=dict(env),
            cwd="/",
            pass_fds=[door.fileno()],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    return Process(child.pid, socket_path, child)
