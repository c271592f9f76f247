"""Web, workers and beat as processes of their own, on one database: whatever happens to messages, only time is lost."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest
import redis
from kombu import Connection

from core.adapters.broker import app
from core.adapters.tls import trusted
from tests.flows.databases import Server, is_full, own_redis_number
from tests.flows.ports import free_port
from tests.flows.servers import own_postgres, own_redis
from tests.flows.shop import Shop, a_shop
from tests.flows.stack import Stack

pytestmark = pytest.mark.skipif(not is_full(), reason="needs PostgreSQL and Redis: make test-full")

QUEUES = ("cloud", "build", "control", "notify")
LONG = "SELECT state, failures FROM work_task WHERE kind = 'shop.long' ORDER BY created_at DESC"
QUICK_LEASE = {"FACTORY_LEASE_S": "6"}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Give a factory of the full profile that has nothing to do."""
    with a_shop(tmp_path_factory.mktemp("shop"), more=QUICK_LEASE, worker_threads=2) as made:
        yield made


@pytest.fixture
def calm(shop: Shop) -> Iterator[Shop]:
    """Give the same to a test of its own: nothing done yet, every process there."""
    (shop.stack.home / "effects").unlink(missing_ok=True)
    yield shop
    for name in {"web", "worker", "beat"} - set(shop.stack.children):
        restart(shop, name)


def restart(shop: Shop, name: str) -> None:
    """Start one of the usual processes again."""
    shop.stack.run(name, name, *(("--port", str(shop.stack.port)) if name == "web" else ()))


@contextmanager
def again_and_again(step: Any) -> Iterator[None]:
    """Do `step` in a thread, all the time, while the block runs."""
    over = threading.Event()

    def run() -> None:
        while not over.wait(0.002):
            step()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def broker_of(shop: Shop) -> "redis.Redis":
    """Return the Redis of this factory."""
    assert isinstance(shop.stack.database, Server)
    return redis.Redis.from_url(shop.stack.database.redis_url)


def call(shop: Shop, *, url: str) -> None:
    """Send every call there is once more."""
    with Connection(url) as connection:
        for queue in QUEUES:
            app.send_task("core.run", args=[queue], queue=queue, connection=connection)
        app.send_task("core.relay", queue="control", connection=connection)
        app.send_task("core.tick", queue="control", connection=connection)


def test_three_workers_and_two_webs_share_one_database_and_nothing_is_done_twice(calm: Shop) -> None:
    stack, port = calm.stack, free_port()
    stack.run("web2", "web", "--port", str(port))
    for name in ("worker2", "worker3"):
        stack.run(name, "worker", "--queues", "cloud,build")
    stack.until(stack.is_up, what="three workers")

    calm.give(80)
    calm.until_done()

    assert calm.is_whole(once=True)
    assert len(calm.hands) > 2
    stack.until(lambda: is_answering(port), what="the second web")
    assert stack.answers()
    assert {stack.stop(name) == {0} for name in ("web2", "worker2", "worker3")} == {True}


def is_answering(port: int) -> bool:
    """Say whether pages answer on this port."""
    try:
        return httpx.get(
            f"http://127.0.0.1:{port}/login/", timeout=10, trust_env=False, verify=trusted()
        ).is_success
    except httpx.TransportError:
        return False


def test_all_messages_many_times_change_nothing(calm: Shop) -> None:
    assert isinstance(calm.stack.database, Server)
    url = calm.stack.database.redis_url

    with again_and_again(lambda: call(calm, url=url)):
        calm.give(40)
        calm.until_done()

    assert calm.is_whole(once=True)
    broker_of(calm).flushdb()


def test_without_any_message_and_without_beat_the_work_is_done_all_the_same(calm: Shop) -> None:
    due = "SELECT due_at FROM core_duechore WHERE name = 'work.reap_leases'"
    calm.stack.until(lambda: calm.stack.value(due), what="the first round")
    calm.stack.kill("beat")
    before = calm.stack.value(due)

    with again_and_again(broker_of(calm).flushdb):
        calm.give(6)
        calm.until_done()
        calm.stack.until(lambda: calm.stack.value(due) > before, what="the chores")

    assert calm.is_whole(once=True)


def test_a_worker_asked_to_end_gives_its_task_back_and_no_attempt_is_lost(calm: Shop) -> None:
    stack = calm.stack
    calm.give(1, kind="shop.long")
    stack.until(lambda: (stack.home / "begun").exists(), what="the work to begin")

    assert stack.stop("worker") == {0}

    assert stack.rows(LONG)[0] == {"state": "ready", "failures": 0}
    (stack.home / "gate").touch()
    restart(calm, "worker")
    calm.until_done()
    assert calm.is_whole(once=True)
    forget_long_work(calm)


def test_a_worker_that_is_killed_loses_its_task_to_the_next_one(calm: Shop) -> None:
    stack = calm.stack
    calm.give(1, kind="shop.long")
    stack.until(lambda: (stack.home / "begun").exists(), what="the work to begin")

    stack.kill("worker")
    (stack.home / "gate").touch()
    restart(calm, "worker")
    calm.until_done()

    assert stack.rows(LONG)[0] == {"state": "completed", "failures": 1}
    assert calm.is_whole(once=True)
    forget_long_work(calm)


def test_a_task_that_takes_its_worker_down_is_given_up_at_the_third_death_with_its_last_words(
    tmp_path: Path,
) -> None:
    letters, lost = (
        "SELECT is_poison, error FROM work_deadletter",
        "SELECT count(*) FROM work_attempt WHERE state = 'lost'",
    )
    with a_shop(tmp_path / "home", worker_threads=2) as shop:
        shop.give(1, kind="shop.hungry")
        shop.give(60)
        shop.stack.until(lambda: shop.stack.rows(letters), what="the hungry task to be given up")
        shop.stack.until(lambda: len(shop.effects) == 61, what="all others")

        (letter,) = shop.stack.rows(letters)
        assert bool(letter["is_poison"])
        assert "SIGKILL" in letter["error"]
        assert any(line.endswith("asking for the last gigabyte") for line in letter["error"].splitlines())
        assert shop.stack.value(lost) == 3
        assert set(shop.effects.values()) == {1}
        assert shop.stack.children["worker"].poll() is None


def forget_long_work(shop: Shop) -> None:
    """Close the gate for the next test."""
    for name in ("gate", "begun"):
        (shop.stack.home / name).unlink()


def test_a_dead_broker_holds_up_nothing_and_is_used_again_when_it_is_back(tmp_path: Path) -> None:
    with own_redis() as broker, a_shop(tmp_path / "home", kept_in=Server.fresh(redis_url=broker.url)) as shop:
        broker.kill()

        shop.give(20)
        shop.until_done("the work without a broker")
        assert shop.stack.answers()

        broker.start()
        client = redis.Redis.from_url(broker.url)
        for _ in range(3):
            call(shop, url=broker.url)
        shop.stack.until(
            lambda: not any(client.llen(queue) for queue in QUEUES), what="workers to take messages again"
        )
        shop.give(20)
        shop.until_done("the work with a new broker")
        assert shop.is_whole(once=True)


def test_a_database_that_dies_under_load_costs_time_alone(tmp_path: Path) -> None:
    with TemporaryDirectory(prefix="pg-", dir="/tmp") as place, own_postgres(Path(place)) as server:
        kept_in = Server(server.url, own_redis_number())
        with a_shop(tmp_path / "home", kept_in=kept_in, more=QUICK_LEASE, worker_threads=2) as shop:
            before = {name: child.pid for name, child in shop.stack.children.items()}
            shop.give(60)
            shop.stack.until(lambda: len(shop.effects) > 10, what="the work to be under way")

            server.kill()
            server.start()
            shop.until_done("the rest")

            assert shop.is_whole(once=False)
            assert shop.stack.answers()
            assert {
                name: child.pid for name, child in shop.stack.children.items() if child.poll() is None
            } == before


def test_one_command_keeps_web_worker_and_beat_alive_and_leaves_nothing(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "home", port=free_port())
    stack.home.mkdir()
    try:
        stack.run("web", "run", "--port", str(stack.port))
        stack.until(lambda: is_answering(stack.port), what="the pages")
        [first] = parts(stack, "web")

        os.kill(first, signal.SIGKILL)
        stack.until(lambda: parts(stack, "web") not in (set(), {first}), what="another web")
        stack.until(lambda: is_answering(stack.port), what="the pages of the other one")

        assert len(parts(stack, "beat")) == 1
        assert stack.stop() == {0}
        stack.until(
            lambda: not any(parts(stack, part) for part in ("web", "worker", "beat")), what="the end of all"
        )
    finally:
        stack.close()


def parts(stack: Stack, word: str) -> set[int]:
    """Return the processes of this factory with this word in their command line."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if word.encode() in words and str(stack.home).encode() in (folder / "environ").read_bytes():
                found.add(int(folder.name))
    return found
