"""Names of processes that are never used twice, and whether such a process still lives."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

IsDead = Callable[[str], bool]
_PROC = Path("/proc")


def process_name(pid: int = 0) -> str:
    """Return `host:boot:namespace:pid:start`: this process (or `pid`) and no other one, before or after it."""
    number = pid or os.getpid()
    return f"{socket.gethostname()[:60]}:{_here()}:{number}:{_started(number)}"


def worker_name(thread: int) -> str:
    """Return the name under which a thread of this process holds tasks."""
    return f"{process_name()}#{thread}"


def is_dead(name: str) -> bool:
    """Say whether this process, or the process of this worker, is known to be gone.

    Only processes of this boot and this process namespace can be known; of all others the answer is no.
    """
    parts = name.partition("#")[0].split(":")
    if len(parts) != 5 or f"{parts[1]}:{parts[2]}" != _here() or not _here().strip(":"):
        return False
    return _started(int(parts[3])) != parts[4]


def _here() -> str:
    """Return the boot and the process namespace, in which a process id means one thing."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}:{(_PROC / 'self/ns/pid').readlink().name.strip('pid:[]')}"
    except OSError:
        return ":"


def _started(pid: int) -> str:
    """Return when the process began, in clock ticks since boot; empty when there is none, or it is a corpse."""
    try:
        state, *fields = (_PROC / str(pid) / "stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return ""
    return "" if state in "ZX" else fields[18]
