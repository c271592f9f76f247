"""Deaths and strangers: a worker killed at each step, two workers, a port that another program holds."""

import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from core.models import AuditRow
from core.registry import Stop
from factory.delivery.models import Release
from factory.delivery.services import the_edge, watch_releases
from factory.delivery.services.places import home_of, place_of, site_name
from factory.work.models import Task
from factory.work.services import recover_dead, run_next
from tests.factory.delivery.edge.stage import NAP, kill, until
from tests.factory.delivery.test_releases_flow import CHANGED, POST_FAILS, Shop, Users, shop
from tests.factory.delivery.venture import Launch

__all__ = ["shop"]
pytestmark = [pytest.mark.drill, pytest.mark.django_db(transaction=True)]
State = Release.State
ROOT = Path(__file__).parents[3]


@contextmanager
def a_worker(machine: Path, settings: Any) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that carries tasks out, killed when the block ends."""
    command = [sys.executable, "-m", "tests.factory.delivery.worker", str(connection.settings_dict["NAME"])]
    worker = subprocess.Popen([*command, str(machine), str(settings.PRODUCT_PORTS.start)], cwd=ROOT)  # noqa: S603
    try:
        yield worker
    finally:
        if worker.poll() is None:
            worker.kill()
        worker.wait()


def moves_of(launch: Launch) -> list[str]:
    """Return how a release went."""
    rows = AuditRow.objects.filter(subject=str(launch.release), verb__startswith="delivery.")
    return [row.verb.removeprefix("delivery.") for row in rows.order_by("id")]


@pytest.mark.parametrize("state", [State.TRYING, State.SWITCHING, State.LIVE])
def test_a_worker_killed_in_a_launch_is_followed_by_one_that_ends_it(
    shop: Shop, machine: Path, settings: Any, state: str
) -> None:
    first = shop.bring()
    users = Users(shop.port)
    users.sign_up()
    second = shop.venture.approved(shop.release(CHANGED))

    with users.at_work():
        with a_worker(machine, settings) as worker:
            until(lambda: second.release.state == state, within_s=60)
            os.kill(worker.pid, signal.SIGKILL)
            worker.wait()
        meanwhile = shop.serves()
        recovered = recover_dead()
        assert run_next(worker="w", stop=Stop())
        users.meet(25)

    assert users.unpromised == Counter()
    assert recovered == 1
    assert meanwhile in {first.release.digest, second.release.digest}
    assert (second.release.state, second.state) == (State.LIVE, Task.State.COMPLETED)
    assert shop.serves() == second.release.digest
    assert moves_of(second).count("live") == 1
    assert not home_of(shop.venture.product).trial.exists()


def test_a_bad_release_in_the_first_minutes_of_a_good_one_leaves_both_that_serve(shop: Shop) -> None:
    first = shop.bring()
    users = Users(shop.port)
    users.sign_up()

    with users.at_work():
        second = shop.bring(CHANGED)
        third = shop.bring(CHANGED, POST_FAILS)
        until(lambda: shop.is_settled())
        serving = shop.serves()
        users.meet(25)
        (home_of(shop.venture.product).tree_of(second.release.digest) / "product" / "asgi.py").unlink()
        kill_live(shop)
        until(lambda: NAP.wait(1) or (watch_releases() and second.release.state != State.LIVE), within_s=60)
        users.meet(25)

    assert set(users.unpromised) <= {("POST", 502), ("POST", 0)}
    assert sum(users.unpromised.values()) <= users.count
    assert (first.release.state, second.release.state, third.release.state) == (
        State.LIVE,
        State.ROLLED_BACK,
        State.REFUSED,
    )
    assert serving == second.release.digest
    assert "It ended by itself" in second.release.why


def kill_live(shop: Shop) -> None:
    """End the process that users meet."""
    state = the_edge().state()
    launch = state.candidate_of(site_name(shop.venture.product))
    assert launch is not None
    kill(launch.pid)


def test_a_port_that_another_program_took_is_a_sentence_and_the_launch_goes_on_when_it_is_free(
    shop: Shop,
) -> None:
    place = place_of(shop.venture.product)
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind(("127.0.0.1", place.port))
        stranger.listen()
        launch = shop.bring()
        error = launch.task.attempts.get(state="failed").error
        between = (launch.release.state, launch.state)
    Task.objects.filter(pk=launch.task.pk).update(not_before=None)
    promote(launch)

    assert f"The product's port is not to be had. (port: {place.port}, why: " in error
    assert between == (State.APPROVED, Task.State.RETRYING)
    assert run_next(worker="w", stop=Stop())
    assert (launch.release.state, launch.state) == (State.LIVE, Task.State.COMPLETED)


def promote(launch: Launch) -> None:
    """Let the pause before the next attempt be over."""
    from factory.work.services.tasks import ready_task  # noqa: PLC0415 (one use)

    ready_task(Task.objects.get(pk=launch.task.pk), actor="test")
