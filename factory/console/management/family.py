"""The full profile on one machine: web, worker and beat as processes of their own, started again when one dies."""

import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from celery import platforms
from django.conf import settings

from factory.console.management.daemon import ENDS

logger = logging.getLogger(__name__)
AGAIN_S = 0.5
STOP_S = 40.0


@dataclass(frozen=True)
class Member:
    """One process of the family: its verb, and the open files it is given."""

    verb: Sequence[str]
    files: Sequence[int] = ()

    def start(self) -> "subprocess.Popen[bytes]":
        """Start it; it does not outlive us."""
        command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "factory", *self.verb]
        return subprocess.Popen(  # noqa: S603 (our own command)
            command,
            pass_fds=self.files,
            stdin=subprocess.DEVNULL,
            preexec_fn=_end_with_us,
        )


def _end_with_us() -> None:
    platforms.set_pdeathsig("SIGKILL")  # type: ignore[attr-defined]  # the stubs do not know it


def keep(members: Mapping[str, Member], *, ready: Callable[[], None]) -> None:
    """Keep every member alive until SIGTERM or ctrl-C; then end them together."""
    over = threading.Event()
    for number in ENDS:
        signal.signal(number, lambda *_: over.set())
    children = {name: member.start() for name, member in members.items()}
    ready()
    try:
        while not over.wait(AGAIN_S):
            for name in [name for name, child in children.items() if child.poll() is not None]:
                logger.warning(
                    "family.member_died", extra={"member": name, "code": children[name].returncode}
                )
                children[name] = members[name].start()
    finally:
        end(list(children.values()))


def end(children: Sequence["subprocess.Popen[bytes]"]) -> None:
    """Ask all to end, wait, and kill what did not."""
    for child in children:
        child.send_signal(signal.SIGTERM)
    by = time.monotonic() + STOP_S
    for child in children:
        try:
            child.wait(timeout=max(0.1, by - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
