"""What a keeper becomes when its guard died: the next guard, with the same lock and the same listening sockets."""

import os
from pathlib import Path

from .guard import FDS, command, guard, leave_starter


def succeed(home: Path, caddy: str, *, lock: int) -> None:
    """Go on as the heir of a dead guard, whose lock we hold: no other guard can come between. Never returns."""
    for fd in (lock, *FDS):
        os.set_inheritable(fd, True)
    argv = command(home, caddy, role="heir")
    os.execv(argv[0], argv)  # noqa: S606 - our own program; all other files of the keeper close here, its lock too


def main(home: Path, caddy: str) -> None:
    """Leave our children, whom only a parent that waits could bury, and guard."""
    os.umask(0o077)
    leave_starter()
    guard(home, caddy)
