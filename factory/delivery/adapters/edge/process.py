"""Who a process is, so that a reused pid is never taken for ours; and files that only we may read."""

import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Birth:
    """What names a process together with its pid; `start` counts ticks since the boot."""

    start: int
    session: int
    state: str


def birth(pid: int) -> Birth | None:
    """The identity of a process that exists, or None."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return None
    return Birth(start=int(fields[19]), session=int(fields[3]), state=fields[0])


def boot_id() -> str:
    """The name of this boot: start times mean nothing after another one."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def sweep(*, session: int | None, mark: bytes) -> None:
    """Kill every process of a session and every bearer of a mark in its environment; again, until a look finds none."""
    for _ in range(10):
        if not sum(_kill_if(int(entry.name), session=session, mark=mark) for entry in _processes()):
            return


def _processes() -> list[Path]:
    return [
        entry for entry in Path("/proc").iterdir() if entry.name.isdigit() and int(entry.name) != os.getpid()
    ]


def _kill_if(pid: int, *, session: int | None, mark: bytes) -> bool:
    try:
        pidfd = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        seen = birth(pid)  # after pidfd_open: what we look at is what we hold
        ours = seen is not None and seen.state != "Z" and (seen.session == session or _bears(pid, mark))
        if ours:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    except OSError:
        return False
    finally:
        os.close(pidfd)
    return ours


def _bears(pid: int, mark: bytes) -> bool:
    try:
        return mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


def write_private(path: Path, value: Any) -> None:
    """Replace a JSON file whole and durably, readable by its owner only."""
    fresh = path.with_name(path.name + ".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def read_json(path: Path) -> Any:
    """The value of a JSON file, or None when there is none that can be read."""
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError):
        return None
