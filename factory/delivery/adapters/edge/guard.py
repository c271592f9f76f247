"""Holds the listening sockets and starts the keeper again whenever it ends, so that no single death closes a port."""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

FDS = range(
    100, 300
)  # unbound sockets, made once: one that is bound later listens in every process that inherited it
GUARD_LOCK = "guard.lock"
STOPPED, DOUBLE = 0, 3  # exit codes of a keeper: it was told to stop; another keeper holds the home folder


def lock_home(path: Path) -> int | None:
    """An open lock that ends with this process, or None when another process holds it."""
    path.touch(mode=0o600)
    return try_lock(path)


def try_lock(path: Path) -> int | None:
    """The same for a lock that must exist: who makes one anew in a folder that is being removed has it for nothing."""
    lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def make_sockets() -> None:
    """Fill FDS with sockets that child processes inherit."""
    for fd in FDS:
        made = socket.socket()
        os.dup2(made.fileno(), fd, inheritable=True)
        made.close()


def main(home: Path, caddy: str) -> None:
    """Leave the starter, then guard until the keeper is told to stop; a second guard of a home folder ends quietly."""
    os.umask(0o077)
    home.mkdir(parents=True, exist_ok=True)
    leave_starter()
    if lock_home(home / GUARD_LOCK) is None:
        return
    make_sockets()
    guard(home, caddy)


def leave_starter() -> None:
    """Go on in a session of our own, which nobody's terminal or service manager ends."""
    if os.fork():
        os._exit(0)
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def guard(home: Path, caddy: str) -> None:
    """Start keepers over the sockets in FDS until one was told to stop."""
    keeper = command(home, caddy, role="keeper")
    while True:
        began = time.monotonic()
        if subprocess.call(keeper, pass_fds=FDS) in (STOPPED, DOUBLE):  # noqa: S603
            return
        # One that cannot even start would otherwise keep a core busy.
        time.sleep(0.1 if time.monotonic() - began > 0.5 else 2.0)


def command(home: Path, caddy: str, *, role: str) -> list[str]:
    """What runs one process of this edge."""
    return [sys.executable, "-I", str(Path(__file__).with_name("serve.py")), str(home), caddy, role]
