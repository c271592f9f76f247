"""What Celery's time limits do to a task, and what is left of a process that had to be killed."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from django.conf import settings

from core.adapters.last_words import last_words_of
from tests.core.test_messages import needs_broker

PATIENCE_S = 180
pytestmark = needs_broker


@pytest.fixture
def queue() -> Iterator[str]:
    """Give the queue of a worker with one child."""
    name = f"limits-{uuid4().hex}"
    command = [sys.executable, "-m", "celery", "-A", "tests.core.limited", "worker", "-Q", name, "-c", "1"]
    quietly = ["-l", "ERROR", "--without-gossip", "--without-mingle"]
    environment = {**os.environ, "FACTORY_HOME": str(settings.HOME)}
    with subprocess.Popen([*command, *quietly], cwd=settings.BASE_DIR, env=environment) as worker:  # noqa: S603 (our own code)
        yield name
        worker.terminate()
        try:
            worker.wait(PATIENCE_S)
        finally:
            worker.kill()


def send(name: str, folder: Path, *, queue: str) -> None:
    """Let the worker carry this out."""
    from core.adapters.broker import app  # noqa: PLC0415 (only where there is a broker)

    app.send_task(f"limits.{name}", args=[str(folder)], queue=queue)


def said(name: str, folder: Path) -> str:
    """Return what the task said, once it did."""
    return next(filter(None, looks(name, folder)))


def answered(folder: Path, *, queue: str) -> str:
    """Ask until somebody answers: a message to a process that is about to die dies with it."""
    looked = enumerate(looks("answers", folder))
    for number, found in looked:
        if found:
            break
        if number % 20 == 0:
            send("answers", folder, queue=queue)
    return found


def looks(name: str, folder: Path) -> Iterator[str]:
    """Look from time to time what the task said; nothing is empty."""
    until = time.monotonic() + PATIENCE_S
    while True:
        assert time.monotonic() < until, f"{name} said nothing"
        yield (folder / name).read_text() if (folder / name).exists() else ""
        time.sleep(0.1)


def test_a_task_that_heeds_its_soft_limit_gives_its_connection_up_and_the_same_process_goes_on(
    queue: str, tmp_path: Path
) -> None:
    send("heeds", tmp_path, queue=queue)

    assert said("heeds", tmp_path) == f"closed by {answered(tmp_path, queue=queue)}"


def test_a_task_that_heeds_nothing_is_killed_its_end_is_written_down_and_a_fresh_process_goes_on(
    queue: str, tmp_path: Path
) -> None:
    send("ignores", tmp_path, queue=queue)
    killed = said("ignores", tmp_path)

    assert answered(tmp_path, queue=queue) != killed
    assert "ended by signal 9 (SIGKILL)" in last_words_of(killed)
