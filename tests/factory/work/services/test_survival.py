"""Killed workers and racing processes: no task is lost, none is done twice."""

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from core.registry import Assignment, Outcome, Stop, register_job
from factory.work.errors import LeaseLost
from factory.work.models import Attempt, Dag, Task
from factory.work.rules import TaskSpec
from factory.work.services import finish_attempt, promote_due, recover_dead, run_next
from tests.builders import a_graph
from tests.factory.work.hands import do_nothing, states_of

DRAINED = 5_000
pytestmark = pytest.mark.django_db(transaction=True)


@register_job("test.effect")
def leave_nothing(assignment: Assignment, stop: Stop) -> Outcome:
    """Stand in here for the job that the worker process has under this name."""
    return Outcome(kind="done")


@register_job("test.hang_once")
def go_on(assignment: Assignment, stop: Stop) -> Outcome:
    """Be done in the attempt after the kill."""
    return Outcome(kind="done")


@register_job("test.die")
def never_here(assignment: Assignment, stop: Stop) -> Outcome:
    """Stand in here for the job that takes a worker process down."""
    return Outcome(kind="done")


@register_job("test.die_quickly", quick=True)
def never_here_either(assignment: Assignment, stop: Stop) -> Outcome:
    """Stand in here for the quick job that takes a worker process and its neighbours down."""
    return Outcome(kind="done")


@register_job("test.quick_effect", quick=True)
def leave_nothing_quickly(assignment: Assignment, stop: Stop) -> Outcome:
    """Stand in here for the quick job that the worker process has under this name."""
    return Outcome(kind="done")


def a_worker(folder: Path) -> subprocess.Popen[str]:
    """Start a worker process on the database of this test."""
    database = str(connection.settings_dict["NAME"])
    command = [sys.executable, "-m", "tests.factory.work.worker", database, str(folder)]
    return subprocess.Popen(command, cwd=settings.BASE_DIR, stdout=subprocess.PIPE, text=True)  # noqa: S603


def test_a_worker_killed_in_the_middle_is_taken_from_at_boot_and_its_task_is_done_once(
    tmp_path: Path,
) -> None:
    dag = a_graph(
        TaskSpec(key="a", title="before", kind="test.effect"),
        TaskSpec(key="b", title="killed", kind="test.hang_once", after=("a",)),
        TaskSpec(key="c", title="after", kind="test.nothing", after=("b",)),
    )
    with a_worker(tmp_path) as worker:
        assert worker.stdout is not None
        said = worker.stdout.readline()
        living = recover_dead()
        os.kill(worker.pid, signal.SIGKILL)
    killed = Task.objects.get(key="b")
    lease = killed.lease

    recovered = recover_dead()
    carried = [run_next(worker="w", stop=Stop(), carry_out=do_nothing) for _ in range(3)]

    assert (said, living, recovered) == ("hanging\n", 0, 1)
    assert carried == [True, True, False]
    assert states_of(dag) == {"a": "completed", "b": "completed", "c": "completed"}
    attempts = killed.attempts.order_by("n").values_list("state", "error_class")
    assert list(attempts) == [("lost", "crash"), ("done", "")]
    assert (tmp_path / "effects").read_text() == "before\n"
    assert lease is not None
    with pytest.raises(LeaseLost):
        finish_attempt(lease, Outcome(kind="done"))


def test_three_processes_drain_one_queue_and_every_task_is_done_once(tmp_path: Path) -> None:
    specs = [TaskSpec(key=str(n), title=f"effect-{n:02d}", kind="test.effect") for n in range(24)]
    dag = a_graph(*specs)

    workers = [a_worker(tmp_path) for _ in range(3)]
    codes = [worker.wait(timeout=60) for worker in workers]
    for worker in workers:
        worker.communicate()

    assert codes == [0, 0, 0]
    assert sorted((tmp_path / "effects").read_text().split()) == [spec.title for spec in specs]
    assert set(states_of(dag).values()) == {"completed"}
    assert not Task.objects.exclude(attempts__n=1, attempts__state="done").exists()


def test_a_task_that_takes_three_workers_down_is_parked_as_poison_with_their_last_lines_and_others_go_on(
    tmp_path: Path,
) -> None:
    deadly = a_graph(TaskSpec(key="a", title="deadly", kind="test.die", priority=20)).tasks.get()
    others = a_graph(*[TaskSpec(key=str(n), title=f"other-{n}", kind="test.effect") for n in range(4)])

    for _ in range(4):
        with a_worker(tmp_path) as worker:
            worker.wait(timeout=60)
        recover_dead()
        Task.objects.filter(state="retrying").update(not_before=timezone.now() - timedelta(minutes=1))
        promote_due()

    deadly.refresh_from_db()
    letter = deadly.dead_letters.get()
    assert (deadly.state, letter.is_poison, deadly.attempts.filter(state="lost").count()) == (
        "dead_letter",
        True,
        3,
    )
    assert "SIGKILL" in letter.error
    assert letter.error.splitlines()[-1].endswith("asking for the last gigabyte")
    assert set(states_of(others).values()) == {"completed"}
    assert sorted((tmp_path / "effects").read_text().split()) == [f"other-{n}" for n in range(4)]


def test_beside_a_task_that_takes_every_worker_down_nine_of_ten_attempts_are_spent_on_work_that_gets_done(
    tmp_path: Path,
) -> None:
    before, between, after = [
        a_graph(*[TaskSpec(key=str(n), title=f"{kind}-{n}", kind=kind) for n in range(count)])
        for kind, count in (("test.quick_effect", 190), ("test.die_quickly", 1), ("test.quick_effect", 190))
    ]
    deadly = between.tasks.get()

    codes: list[int] = []
    while Task.objects.open().exclude(state="dead_letter").exists() and len(codes) < 10:
        with a_worker(tmp_path) as worker:
            codes.append(worker.wait(timeout=60))
        recover_dead()
        Task.objects.filter(state="retrying").update(not_before=timezone.now() - timedelta(minutes=1))
        promote_due()

    spent = Attempt.objects.exclude(task=deadly)
    assert codes.count(-signal.SIGKILL) == deadly.attempts.filter(state="lost").count() == 3
    assert deadly.dead_letters.get().is_poison
    assert {*states_of(before).values(), *states_of(after).values()} == {"completed"}
    assert 0.9 * spent.count() <= spent.filter(state="done").count() == 380


@pytest.mark.drill
def test_eight_processes_drain_five_thousand_tasks_and_each_is_done_once(tmp_path: Path) -> None:
    graphs = [
        a_graph(
            *[TaskSpec(key=str(n), title=f"effect-{g:02}-{n:03}", kind="test.effect") for n in range(200)]
        )
        for g in range(DRAINED // 200)
    ]

    workers = [a_worker(tmp_path) for _ in range(8)]
    ended = [worker.wait(timeout=1_800) for worker in workers]
    for worker in workers:
        worker.communicate()

    effects = (tmp_path / "effects").read_text().split()
    assert ended == [0] * 8
    assert sorted(effects) == sorted(set(effects))
    assert len(effects) == DRAINED
    assert {dag.pk for dag in graphs} == set(
        Dag.objects.filter(state="completed").values_list("pk", flat=True)
    )
    assert not Attempt.objects.exclude(state="done").exists()
