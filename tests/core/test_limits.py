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


def said(name: str, folder: Path, *, queue: str, again_s: float) -> str:
    """Let the worker carry this task out, and return what it said; until it says something, ask again.

    A message to a process that is about to die dies with it, and other tests empty the broker.
    """
    from core.adapters.broker import app  # noqa: PLC0415 (only where there is a broker)

    until, ask_at = time.monotonic() + PATIENCE_S, 0.0
    while not (folder / name).exists():
        now = time.monotonic()
        assert now < until, f"{name} said nothing"
        if now >= ask_at:
            app.send_task(f"limits.{name}", args=[str(folder)], queue=queue)
            ask_at = now + again_s
        time.sleep(0.1)
    return (folder / name).read_text()


def test_a_task_that_heeds_its_soft_limit_gives_its_connection_up_and_the_same_process_goes_on(
    queue: str, tmp_path: Path
) -> None:
    heeded = said("heeds", tmp_path, queue=queue, again_s=15)

    assert heeded == f"closed by {said('answers', tmp_path, queue=queue, again_s=2)}"


def test_a_task_that_heeds_nothing_is_killed_its_end_is_written_down_and_a_fresh_process_goes_on(
    queue: str, tmp_path: Path
) -> None:
    killed = said("ignores", tmp_path, queue=queue, again_s=15)

    assert said("answers", tmp_path, queue=queue, again_s=2) != killed
    assert "ended by signal 9 (SIGKILL)" in last_words_of(killed)
