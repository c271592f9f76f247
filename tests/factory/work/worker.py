"""A worker process for tests: `python -m tests.factory.work.worker DATABASE FOLDER`; it may be killed at any moment."""

import logging
import os
import signal
import sys
from pathlib import Path

import django
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "factory.settings")


def main(database: str, folder: Path) -> None:
    """Carry out what there is, then end; say so for each task."""
    settings.DATABASES["default"]["NAME"] = database
    django.setup()
    from core.adapters.processes import worker_name  # noqa: PLC0415
    from core.registry import Assignment, Outcome, Stop, register_job  # noqa: PLC0415 (after the set-up)
    from factory.work.models import Queue  # noqa: PLC0415
    from factory.work.services import run_ready  # noqa: PLC0415

    @register_job("test.quick_effect", quick=True)
    @register_job("test.effect")
    def leave_a_line(assignment: Assignment, stop: Stop) -> Outcome:
        """Leave one line, in one write."""
        with (folder / "effects").open("ab", buffering=0) as file:
            file.write(f"{assignment.title}\n".encode())
        return Outcome(kind="done")

    @register_job("test.hang_once")
    def hang_once(assignment: Assignment, stop: Stop) -> Outcome:
        """Hang in the first attempt, until this process is killed."""
        sys.stdout.write("hanging\n")
        sys.stdout.flush()
        stop.wait(60)
        return Outcome(kind="stopped")

    @register_job("test.die_quickly", quick=True)
    @register_job("test.die")
    def die(assignment: Assignment, stop: Stop) -> Outcome:
        """Take the whole process down, as a lack of memory does."""
        logging.getLogger("test").error("asking for the last gigabyte")
        os.kill(os.getpid(), signal.SIGKILL)
        return Outcome(kind="done")

    while run_ready(Queue.Name.values, worker=worker_name(0), stop=Stop(), carry_out=leave_a_line):
        pass


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
