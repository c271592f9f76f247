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
STOPPED, DOUBLE = 0, 3  # exit codes of a keeper: it was told to stop; another keeper holds the home folder


def lock_home(path: Path) -> int | None:
    """An open lock that ends with this process, or None when another process holds it."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
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
    if os.fork():
        os._exit(0)
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if lock_home(home / "guard.lock") is None:
        return
    make_sockets()
    keeper = [sys.executable, "-I", str(Path(__file__).with_name("serve.py")), str(home), caddy, "keeper"]
    while True:
        began = time.monotonic()
        if subprocess.call(keeper, pass_fds=FDS) in (STOPPED, DOUBLE):  # noqa: S603
            return
        # One that cannot even start would otherwise keep a core busy.
        time.sleep(0.1 if time.monotonic() - began > 0.5 else 2.0)
