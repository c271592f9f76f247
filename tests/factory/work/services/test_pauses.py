"""A pause binds in the claim itself: it waits for claims that are under way, and none comes after it."""

import threading
from collections.abc import Callable

import pytest
from django.db import connections, transaction

from agents.roster.services import switch_agent
from core.services import found_installation, stop_everything
from factory.work.models import Attempt, Task
from factory.work.services import claim_task, pause_graph, pause_queue, unpause_queue
from factory.work.services.claims import claim_next
from tests.builders import a_task
from tests.factory.work.hands import a_hand

pytestmark = pytest.mark.django_db(transaction=True)

PAUSES: dict[str, Callable[[Task], None]] = {
    "everything": lambda task: stop_everything(by="owner:ada"),
    "the queue": lambda task: pause_queue(task.queue, by="owner:ada"),
    "the agent": lambda task: switch_agent(str(task.agent), is_enabled=False, by="owner:ada"),
}


@pytest.mark.parametrize("what", sorted(PAUSES))
def test_a_pause_waits_for_an_open_claim_and_no_claim_follows_it(what: str) -> None:
    found_installation("rehearsal")
    rex = a_hand(max_parallel=2)
    task, _ = a_task(agent=rex.name), a_task(agent=rex.name)
    begun = threading.Event()

    def pause() -> None:
        begun.set()
        PAUSES[what](task)
        connections.close_all()

    pauser = threading.Thread(target=pause)
    with transaction.atomic():
        claimed = claim_next(worker="w")
        pauser.start()
        begun.wait(10)
        pauser.join(0.4)
        still_waits = pauser.is_alive()
    pauser.join(30)

    assert (len(claimed), still_waits, pauser.is_alive()) == (1, True, False)
    assert claim_task(worker="w") is None
    assert Attempt.objects.count() == 1


def test_a_paused_queue_keeps_its_own_tasks_back_and_no_others() -> None:
    build = a_task(kind="test.nothing", queue="build")
    other = a_task(kind="test.nothing", priority=99)
    pause_queue("build", by="owner:ada")

    claimed = [claim_task(worker="w"), claim_task(worker="w")]

    assert [one and one.reuse_key for one in claimed] == [other.pk, None]
    unpause_queue("build", by="owner:ada")
    again = claim_task(worker="w")
    assert again is not None
    assert again.reuse_key == build.pk


def test_a_worker_takes_only_what_its_queues_hold() -> None:
    a_task(kind="test.nothing", queue="notify")

    assert claim_task(worker="w", queues=("cloud", "build")) is None
    assert claim_task(worker="w", queues=("notify",)) is not None


def test_tasks_of_a_paused_graph_stand_outside_the_line_also_those_that_become_ready_later() -> None:
    task = a_task(kind="test.nothing")

    pause_graph(task.dag_id, by="owner:ada")

    task.refresh_from_db()
    assert (task.state, task.held) == ("ready", "paused")
    assert not Task.objects.claimable().exists()
