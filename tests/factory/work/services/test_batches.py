"""Work that has time: it waits outside of the line for its batch, goes on where it was, and costs half."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from agents.gateway.models import BatchJob, Call, Provider
from agents.gateway.services import sync_prices
from agents.gateway.services.batches import move_batches
from agents.runtime.services import carry_out
from core.services import found_installation
from factory.work.models import Attempt, Task
from factory.work.services import finish_attempt, read_admission, readmit
from tests.agents.gateway.batch_provider import Lanes, batch_lanes
from tests.factory.work.hands import an_agents_task, take

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def lanes(settings: Any, tmp_path: Path) -> Iterator[Lanes]:
    """A real factory with one key, whose maker has a batch lane."""
    settings.MODEL_KEYS = {"openai": "sk-test-openai-1234567890"}
    settings.WORK_DIR, settings.BLOBS_DIR = tmp_path / "work", tmp_path / "blobs"
    found_installation("real")
    sync_prices()
    with batch_lanes() as running:
        Provider.objects.update(base_url=running.url)
        yield running


def work_once() -> str:
    """Let a worker take the next task, and carry it out; return how it ended."""
    assignment = take()
    assert assignment is not None
    outcome = carry_out(assignment, threading.Event())
    finish_attempt(assignment.id, outcome)
    return outcome.kind


def look_again() -> None:
    """Let a minute pass, and the lane's chore come round."""
    BatchJob.objects.update(next_look_at=timezone.now() - timedelta(seconds=1))
    move_batches()


def test_a_task_waits_for_its_batch_without_a_worker_and_is_done_with_its_answer(lanes: Lanes) -> None:
    task = an_agents_task(brief="Summarise it.", arguments={"speed": "batch"})

    first = work_once()
    look_again()
    nobody = take()
    task.refresh_from_db()
    held, why = readmit(), read_admission().refusal(task)
    lanes.end()
    look_again()
    let_in = readmit(), readmit()
    second = work_once()

    task.refresh_from_db()
    assert (first, nobody, held, let_in, second) == ("stopped", None, 0, (1, 0), "done")
    assert "within a day" in why
    assert (task.state, task.failures) == (Task.State.COMPLETED, 0)
    assert task.attempts.get(state=Attempt.State.DONE).result == {"summary": "Later."}
    call = Call.objects.get()
    assert (call.is_batch, len(lanes.batches)) == (True, 1)


def test_what_is_not_answered_within_a_day_is_asked_anew_by_the_work_itself(lanes: Lanes) -> None:
    an_agents_task(brief="Summarise it.", arguments={"speed": "batch"})
    work_once()
    look_again()
    lanes.end("expired")
    look_again()

    let_in = readmit()

    assert (let_in, BatchJob.objects.get().state) == (1, "failed")
    assert take() is not None
