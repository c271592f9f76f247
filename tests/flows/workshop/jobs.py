"""The workshop's jobs."""

import logging
import os
import signal
from pathlib import Path

from django.conf import settings

from core.registry import Assignment, Outcome, Stop, register_job


def leave_a_line(assignment: Assignment) -> None:
    """Leave one line, in one write: who did what."""
    with (Path(settings.HOME) / "effects").open("ab", buffering=0) as file:
        file.write(f"{assignment.reuse_key} {os.getpid()}\n".encode())


@register_job("shop.quick", queue="cloud", quick=True)
def be_quick(assignment: Assignment, stop: Stop) -> Outcome:
    """Be done at once."""
    leave_a_line(assignment)
    return Outcome(kind="done")


@register_job("shop.short", queue="cloud")
def be_short(assignment: Assignment, stop: Stop) -> Outcome:
    """Be done soon."""
    stop.wait(0.1)
    leave_a_line(assignment)
    return Outcome(kind="done")


@register_job("shop.long", queue="build")
def be_long(assignment: Assignment, stop: Stop) -> Outcome:
    """Go on until told to stop, or until somebody opens the gate in the factory's home."""
    (Path(settings.HOME) / "begun").touch()
    while not stop.wait(0.05):
        if (Path(settings.HOME) / "gate").exists():
            leave_a_line(assignment)
            return Outcome(kind="done")
    return Outcome(kind="stopped")


@register_job("shop.hungry", queue="cloud")
def be_hungry(assignment: Assignment, stop: Stop) -> Outcome:
    """Take the whole process down, as the kernel does with one that wants all memory."""
    logging.getLogger("shop").error("asking for the last gigabyte")
    os.kill(os.getpid(), signal.SIGKILL)
    return Outcome(kind="done")
