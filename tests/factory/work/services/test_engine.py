"""Threads carry tasks out side by side, keep them alive, and let go of them when told."""

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from django.db import OperationalError, connection, connections
from django.db.models import Max, Min
from django.utils import timezone

from billing.errors import BudgetBusy, BudgetExceeded
from core.adapters import wake
from core.registry import Assignment, Outcome, Stop, register_job
from core.services import found_installation, stop_everything
from factory.work.models import Attempt, Outage, Task
from factory.work.rules import TaskSpec
from factory.work.services import Loop, cancel_task, claim_task, run_next
from factory.work.services.engine import Watch, failure_of
from tests.builders import a_graph, a_task
from tests.factory.work.hands import a_hand, an_agents_task, do_nothing, states_of, take

pytestmark = pytest.mark.django_db(transaction=True)
together = threading.Barrier(2, timeout=20)


@register_job("test.meet")
def meet(assignment: Assignment, stop: Stop) -> Outcome:
    """Be done only when another task runs at the same time."""
    together.wait()
    return Outcome(kind="done")


@register_job("test.raise")
def raise_something(assignment: Assignment, stop: Stop) -> Outcome:
    """Fail in a way nobody expected."""
    raise ZeroDivisionError("the last line")


@register_job("test.no_database")
def miss_the_database(assignment: Assignment, stop: Stop) -> Outcome:
    """Fail as whatever asks a database does that is started anew meanwhile."""
    raise OperationalError("the connection is closed")


@register_job("test.children")
def want_children(assignment: Assignment, stop: Stop) -> Outcome:
    """End in a way that cannot be stored."""
    return Outcome(kind="wants_children")


@register_job("test.until_halted")
def work_until_halted(assignment: Assignment, stop: Stop) -> Outcome:
    """Work until told to end."""
    return Outcome(kind={True: "stopped", False: "failed"}[stop.wait(20)])  # type: ignore[arg-type]


heard = threading.Event()


@register_job("test.deaf")
def work_without_listening(assignment: Assignment, stop: Stop) -> Outcome:
    """Go on after the stop, until the test lets it end."""
    heard.wait(20)
    return Outcome(kind="done")


def run_one(carry_out: Callable[[Assignment, Stop], Outcome] = do_nothing) -> bool:
    """Let one worker carry out one task."""
    return run_next(worker="w", stop=Stop(), carry_out=carry_out)


def until(is_so: Callable[[], bool]) -> bool:
    """Wait for rings of the bell until it is so; say whether it became so within a minute."""
    for _ in range(600):
        if is_so():
            return True
        wake.wait(since=wake.rings(), at_most_s=0.1)
    return False


def is_in(task: Task, state: str) -> bool:
    """Say whether the row stands in this state."""
    return Task.objects.filter(pk=task.pk, state=state).exists()


def test_two_tasks_that_wait_for_the_same_one_run_at_the_same_time() -> None:
    dag = a_graph(
        TaskSpec(key="core", title="Core", kind="test.nothing"),
        TaskSpec(key="api", title="API", kind="test.meet", after=("core",)),
        TaskSpec(key="pages", title="Pages", kind="test.meet", after=("core",)),
        TaskSpec(key="join", title="Join", kind="test.nothing", after=("api", "pages")),
    )
    loop = Loop(threads=2, carry_out=do_nothing)

    loop.start()
    closed = until(lambda: set(states_of(dag).values()) == {"completed"})
    ended = loop.stop()

    began = Attempt.objects.filter(task__kind="test.meet").aggregate(last=Max("started_at"))["last"]
    over = Attempt.objects.filter(task__kind="test.meet").aggregate(first=Min("ended_at"))["first"]
    workers = Attempt.objects.filter(task__kind="test.meet").values_list("worker", flat=True)
    assert (closed, ended) == (True, True)
    assert began < over
    assert len(set(workers)) == 2


def test_two_agents_share_two_threads_and_one_agent_does_one_thing_at_a_time() -> None:
    rex, pixel = a_hand(), a_hand()
    a_graph(
        TaskSpec(key="a", title="A", agent=rex.name, type="write"),
        TaskSpec(key="b", title="B", agent=rex.name, type="write"),
        TaskSpec(key="c", title="C", agent=pixel.name, type="write"),
    )

    held = [take(f"w{n}") for n in range(3)]

    assert [one and one.agent for one in held] == [rex.name, pixel.name, None]


def test_an_agents_task_goes_to_the_runtime_with_the_story_of_its_graph() -> None:
    task = an_agents_task()
    seen: list[Assignment] = []

    def keep(assignment: Assignment, stop: Stop) -> Outcome:
        seen.append(assignment)
        return Outcome(kind="done")

    carried = run_one(keep)

    assert (carried, is_in(task, "completed")) == (True, True)
    assert seen[0].correlation_id == task.dag.correlation_id
    assert not run_one()


def test_an_unexpected_exception_is_repeated_once_then_the_owner_sees_its_last_lines() -> None:
    task = a_task(kind="test.raise")

    run_one()
    first = is_in(task, "retrying")
    Task.objects.update(state="ready")
    run_one()

    assert (first, is_in(task, "dead_letter")) == (True, True)
    assert task.dead_letters.get().error.endswith("ZeroDivisionError: the last line")


def test_a_database_that_was_away_costs_no_attempt_however_often() -> None:
    task = a_task(kind="test.no_database")

    for _ in range(4):
        run_one()
        Outage.objects.update(until=timezone.now())

    task.refresh_from_db()
    assert (task.state, task.failures, task.attempts.count()) == ("ready", 0, 4)
    assert Outage.objects.get().service == "database"


def test_an_outcome_that_cannot_be_stored_ends_the_attempt_with_the_reason() -> None:
    task = a_task(kind="test.children")

    run_one()

    assert is_in(task, "dead_letter")
    assert "wants_children" in task.dead_letters.get().error


def test_refusals_of_money_end_or_wait() -> None:
    assert failure_of(BudgetExceeded(layer="day")).error_class == "budget"
    assert failure_of(BudgetBusy(layer="day")).error_class == "transient"


def test_a_loop_told_to_end_gives_its_task_back_unharmed() -> None:
    task = a_task(kind="test.until_halted")
    loop = Loop(threads=1, carry_out=do_nothing)
    loop.start()
    began = until(lambda: is_in(task, "running"))

    ended = loop.stop()

    task.refresh_from_db()
    assert (began, ended, task.state, task.failures) == (True, True, "ready", 0)


def test_work_that_does_not_hear_the_stop_is_given_back_and_its_task_has_died_no_death() -> None:
    task = a_task(kind="test.deaf")
    loop = Loop(threads=1, carry_out=do_nothing)
    loop.start()
    began = until(lambda: is_in(task, "running"))

    ended = loop.stop(at_most_s=0.1)

    task.refresh_from_db()
    heard.set()
    loop.stop()
    assert (began, ended, task.state, task.failures, task.lease) == (True, False, "ready", 0, None)
    assert is_in(task, "ready")


def test_a_running_attempt_ends_when_everything_is_stopped_and_its_task_stays_ready() -> None:
    found_installation("rehearsal")
    task = a_task(kind="test.until_halted")
    loop = Loop(threads=1, carry_out=do_nothing)
    loop.start()
    began = until(lambda: is_in(task, "running"))

    stop_everything(by="owner:ada")
    given_back = until(lambda: is_in(task, "ready"))

    assert (began, given_back, loop.stop()) == (True, True, True)
    assert is_in(task, "ready")


def test_a_cancelled_task_halts_its_worker() -> None:
    task = a_task(kind="test.until_halted")

    def work() -> None:
        run_one()
        connections.close_all()

    worker = threading.Thread(target=work)
    worker.start()
    began = until(lambda: is_in(task, "running"))

    cancel_task(task.pk, by="owner:ada")
    worker.join(timeout=20)

    assert (began, worker.is_alive(), is_in(task, "cancelled")) == (True, False, True)


def test_the_lease_is_beaten_from_its_own_thread_while_the_work_blocks() -> None:
    task = an_agents_task()
    assignment = take()
    assert assignment is not None
    Task.objects.update(leased_until=timezone.now())

    with Watch(assignment, stop=Stop(), beat_s=0.0):
        beaten = until(lambda: Task.objects.filter(pk=task.pk, leased_until__gt=timezone.now()).exists())

    assert beaten


def test_a_lease_that_the_claim_waited_away_is_made_whole_at_the_first_look() -> None:
    task = an_agents_task()
    assignment = take()
    assert assignment is not None
    Task.objects.update(leased_until=timezone.now())

    with Watch(assignment, stop=Stop(), beat_s=3_600):
        beaten = until(lambda: Task.objects.filter(pk=task.pk, leased_until__gt=timezone.now()).exists())

    assert beaten


class BreaksItOnce(Stop):
    """Never set; whoever asks for the first time loses his connection to the database."""

    is_broken = False

    def is_set(self) -> bool:
        """Say no."""
        if not self.is_broken:
            self.is_broken = True
            connection.ensure_connection()
            connection.connection.close()
        return False


def test_the_lease_is_beaten_again_after_the_connection_broke() -> None:
    task = an_agents_task()
    assignment = take()
    assert assignment is not None
    Task.objects.update(leased_until=timezone.now())

    with Watch(assignment, stop=BreaksItOnce(), beat_s=0.0):
        beaten = until(lambda: Task.objects.filter(pk=task.pk, leased_until__gt=timezone.now()).exists())

    assert beaten


def test_an_attempt_whose_time_is_over_is_halted_and_counts_as_stuck_unless_it_is_done() -> None:
    an_agents_task()
    assignment = take()
    assert assignment is not None
    hurried = replace(assignment, limits=replace(assignment.limits, seconds=0))

    with Watch(hurried, stop=Stop()) as watch:
        halted = watch.halt.wait(20)

    assert halted
    assert watch.judge(Outcome(kind="failed", error="cut")).error_class == "stuck"
    assert watch.judge(Outcome(kind="done")).kind == "done"


def test_eight_threads_never_claim_the_same_task() -> None:
    tasks = [a_task(kind="test.nothing") for _ in range(12)]
    start = threading.Barrier(8, timeout=20)
    claimed: list[Assignment | None] = []

    def claim_all(n: int) -> None:
        start.wait()
        claimed.extend(iter(lambda: claim_task(worker=f"w{n}"), None))
        connections.close_all()

    racers = [threading.Thread(target=claim_all, args=(n,)) for n in range(8)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(timeout=60)

    assert sorted(one.reuse_key for one in claimed if one) == sorted(task.pk for task in tasks)
    assert Attempt.objects.count() == len(tasks)


def test_eight_threads_never_give_an_agent_more_than_it_may_do() -> None:
    rex = a_hand(max_parallel=3)
    for _ in range(8):
        a_task(agent=rex.name)
    start = threading.Barrier(8, timeout=20)
    claimed: list[Assignment | None] = []

    def claim_one(n: int) -> None:
        start.wait()
        claimed.append(claim_task(worker=f"w{n}"))
        connections.close_all()

    racers = [threading.Thread(target=claim_one, args=(n,)) for n in range(8)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join(timeout=60)

    assert len([one for one in claimed if one]) == Task.objects.leased().count() == 3
