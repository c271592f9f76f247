"""What dies is started again, what lives is found again, and what is removed leaves nothing."""

import os
import shutil
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from factory.delivery.adapters.edge.launch import pause_s
from factory.delivery.adapters.keeper import Keeper
from factory.delivery.errors import EdgeUnavailable, PortTaken, StaleGeneration, TableRefused, UnknownLaunch
from factory.delivery.ports import EdgeState, Site, Table
from tests.factory.delivery.edge.stage import (
    Stage,
    Users,
    ask,
    bearers,
    has_begun_an_order,
    is_running,
    kill,
    parent_of,
    until,
)

ROOT = Path(__file__).parents[4]


def test_products_and_users_do_not_notice_that_the_factory_is_killed_with_its_group(tmp_path: Path) -> None:
    stage = Stage(folder=tmp_path)
    start = (
        "import sys, threading; from pathlib import Path; from factory.delivery.adapters.keeper import Keeper;"
        "Keeper(Path(sys.argv[1])).ensure(); print('up', flush=True); threading.Event().wait()"
    )
    with subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", start, str(stage.edge.home)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as factory:
        assert factory.stdout is not None
        factory.stdout.readline()
        stage.bring(stage.spec("v1"))
        with Users(stage.port).at_work() as users:
            users.meet("v1")
            os.killpg(factory.pid, signal.SIGKILL)
            factory.wait()
            users.meet("v1")

    assert users.failed == []
    stage.end()


def test_a_killed_keeper_comes_back_adopts_the_same_processes_and_goes_on(stage: Stage) -> None:
    old, new = stage.spec("v1"), stage.spec("v2")
    stage.bring(old)
    before = stage.bring(old, new, weight=50)

    with Users(stage.port).at_work() as users:
        users.meet("v2", times=5)
        kill(before.keeper_pid)
        until(lambda: keeper_of(stage) not in (0, before.keeper_pid))
        after = stage.edge.state()
        stage.bring(new)
        until(lambda: len(stage.edge.state().launches) == 1)

    assert all(it.adopted and it.ready for it in after.launches.values())
    assert pids(after) == pids(before)
    assert after.sites["shop"].proxy_pid == before.sites["shop"].proxy_pid
    assert users.failed == []


def test_a_killed_guard_is_replaced_so_that_a_keeper_killed_later_costs_no_request(stage: Stage) -> None:
    before = stage.bring(stage.spec("v1"))
    guard = parent_of(before.keeper_pid)

    with Users(stage.port).at_work() as users:
        users.meet("v1")
        kill(guard)
        next_guard(stage, after=guard)
        keeper = keeper_of(stage)
        kill(keeper)
        until(lambda: keeper_of(stage) not in (0, keeper))
        users.meet("v1")
    after = stage.edge.state()
    kill(after.sites["shop"].proxy_pid)
    answers = [ask(stage.port, number=str(n)) for n in range(20)]

    assert users.failed == []
    assert after.sites["shop"].proxy_pid == before.sites["shop"].proxy_pid
    assert pids(after) == pids(before)
    assert all(answer.is_promised for answer in answers)


def next_guard(stage: Stage, *, after: int = 0) -> int:
    """The pid of the guard above the keeper, as soon as it is another one."""
    seen = [0]

    def is_there() -> bool:
        if keeper := keeper_of(stage):
            seen.append(parent_of(keeper))
        return seen[-1] not in (0, after) and seen[-1] in bearers(str(stage.edge.home))

    until(is_there)
    return seen[-1]


def pids(state: EdgeState) -> dict[str, int | None]:
    """Processes by launch."""
    return {key: launch.pid for key, launch in state.launches.items()}


def keeper_of(stage: Stage) -> int:
    """The keeper's pid; 0 while none answers."""
    try:
        return stage.edge.state().keeper_pid
    except EdgeUnavailable:
        return 0


def test_a_product_that_crashes_is_started_again_while_its_users_wait(stage: Stage) -> None:
    before = stage.bring(stage.spec("v1")).stable_of("shop")
    assert before is not None

    with Users(stage.port, methods=("GET",)).at_work() as users:
        users.meet("v1")
        kill(before.pid)
        until(lambda: (it := stage.edge.state().stable_of("shop")) and it.crashes and it.ready)
        users.meet("v1")

    after = stage.edge.state().stable_of("shop")
    assert after is not None
    assert (after.crashes, after.last_exit) == (1, -signal.SIGKILL)
    assert after.pid != before.pid
    assert users.failed == []


def test_a_product_that_falls_again_and_again_waits_longer_each_time_and_at_most_five_seconds() -> None:
    pauses = [pause_s(falls) for falls in range(1, 9)]

    assert pauses[0] == 0
    assert pauses == sorted(pauses)
    assert pauses[-1] == 5


def test_a_killed_proxy_is_replaced_on_the_same_sockets(stage: Stage) -> None:
    before = stage.bring(stage.spec("v1"))

    kill(before.sites["shop"].proxy_pid)
    answers = [ask(stage.port, number=str(n)) for n in range(20)]

    assert all(answer.is_promised for answer in answers)
    assert stage.edge.state().sites["shop"].proxy_pid not in (None, before.sites["shop"].proxy_pid)
    assert stage.edge.state().launches.keys() == before.launches.keys()


def test_stopping_the_edge_keeps_the_product_and_finishes_what_was_begun(stage: Stage) -> None:
    before = stage.bring(stage.spec("v1"))

    with ThreadPoolExecutor() as pool:
        slow = pool.submit(ask, stage.port, "/orders", method="POST", number="1&s=1")
        until(lambda: has_begun_an_order(stage))
        stage.edge.stop()
        refused = ask(stage.port)
        stage.edge.ensure()
        until(lambda: stage.edge.state().sites["shop"].settled)

    assert slow.result().is_promised
    assert refused.status == 0
    assert pids(stage.edge.state()) == pids(before)
    assert ask(stage.port).is_promised


def test_a_removed_product_leaves_no_process_no_port_and_no_file(stage: Stage) -> None:
    state = stage.bring(stage.spec("v1"))
    ask(stage.port, "/spawn")
    launch = state.stable_of("shop")
    assert launch is not None
    until(lambda: len(bearers(f"ORDERS={stage.orders}")) == 2)  # a child bears its name once it began
    processes = bearers(f"ORDERS={stage.orders}")

    stage.edge.apply(Table(generation=2, products={}))
    until(lambda: not stage.edge.state().launches)

    assert len(processes) == 2
    assert [pid for pid in processes if is_running(pid)] == []
    assert ask(stage.port).status == 0
    assert ask(stage.preview).status == 0
    assert not Path(launch.address).exists()
    assert not Path(launch.log).exists()
    left = [path for path in stage.edge.home.rglob("*") if path.is_file() and b"ORDERS" in path.read_bytes()]
    assert left == []


def test_an_edge_whose_home_folder_is_removed_ends_with_all_it_runs(tmp_path: Path) -> None:
    stage = Stage(folder=tmp_path)
    stage.edge.ensure()
    state = stage.bring(stage.spec("v1"))
    processes = [
        parent_of(state.keeper_pid),
        state.keeper_pid,
        state.sites["shop"].proxy_pid,
        *pids(state).values(),
    ]

    shutil.rmtree(stage.edge.home, ignore_errors=True)
    again = Stage(folder=tmp_path, port=stage.port)
    again.edge.ensure()
    until(lambda: not any(is_running(pid or 0) for pid in processes))

    again.bring(again.spec("v2"))
    assert ask(stage.port).release == "v2"
    again.end()


def test_a_product_is_given_nothing_of_the_factory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACTORY_SECRET", "must stay here")
    stage = Stage(folder=tmp_path)
    stage.edge.ensure()
    state = stage.bring(stage.spec("v1"))

    said = ask(stage.port).body.decode()
    descriptors = Path(f"/proc/{state.launches[str(state.sites['shop'].stable)].pid}/fd")
    sockets = [fd for fd in descriptors.iterdir() if "socket" in str(fd.readlink())]

    assert "PRODUCT_PROOF_KEY" in said
    assert "FACTORY_SECRET" not in said
    assert len(sockets) <= 4  # its own listener and the loop's; a leaked listener of ours would be hundreds
    stage.end()


def test_a_taken_port_is_told_in_a_sentence_and_served_when_it_is_free(stage: Stage) -> None:
    with socket.create_server(("127.0.0.1", stage.port)):
        stage.ask_for(stage.spec("v1"))
        until(lambda: (it := stage.edge.state().stable_of("shop")) and it.ready)
        state = stage.edge.state()
        with pytest.raises(PortTaken, match=str(stage.port)):
            state.require_ports("shop")
    until(lambda: stage.edge.state().sites["shop"].settled)

    assert state.troubles[f"port {stage.port}"].startswith(f"Port {stage.port} is taken by another program")
    assert not state.sites["shop"].settled
    stage.edge.state().require_ports("shop")
    assert ask(stage.port).is_promised


def test_a_home_folder_too_long_for_sockets_gets_a_short_folder_for_them(tmp_path: Path) -> None:
    deep = tmp_path / ("deep" * 20) / "with a space" / "ümlaut"
    stage = Stage(folder=deep)
    stage.edge.ensure()

    state = stage.bring(stage.spec("v1"))

    assert len(state.run_folder) < 60
    assert (deep / "home" / "run").readlink() == Path(state.run_folder)
    assert ask(stage.port).is_promised
    stage.end()
    assert not Path(state.run_folder).exists()


def test_a_users_broken_body_is_the_users_fault_and_no_query_is_logged(stage: Stage) -> None:
    stage.bring(stage.spec("v1"))
    said = []
    for body in (b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", b"Content-Length: 20000000\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", stage.port)) as user:
            user.sendall(b"POST /orders?id=secret HTTP/1.1\r\nHost: shop\r\n" + body)
            said.append(user.recv(12))

    until(lambda: stage.edge.stats()["shop"].answers == 2)

    assert said == [b"HTTP/1.1 400", b"HTTP/1.1 413"]
    assert stage.edge.stats()["shop"].errors_5xx == 0
    (log,) = stage.edge.home.glob("proxies/*/access.log")
    assert "/orders" in log.read_text()
    assert "secret" not in log.read_text()


def test_an_older_table_is_refused_and_the_same_one_is_not(stage: Stage) -> None:
    table = Table(generation=5, products={})
    stage.edge.apply(table)
    stage.edge.apply(table)

    with pytest.raises(StaleGeneration):
        stage.edge.apply(Table(generation=4, products={}))
    with pytest.raises(StaleGeneration):
        stage.edge.apply(Table(generation=5, products={"shop": Site(port=stage.port)}))


def test_a_malformed_table_is_refused_with_a_reason_and_changes_nothing(stage: Stage) -> None:
    with pytest.raises(TableRefused, match="101 is not a weight"):
        stage.edge.apply(Table(generation=1, products={"shop": Site(port=stage.port, weight=101)}))

    assert stage.edge.state().generation == 0


def test_an_edge_that_does_not_run_and_a_launch_that_does_not_exist_are_named(
    stage: Stage, tmp_path: Path
) -> None:
    with pytest.raises(EdgeUnavailable):
        Keeper(tmp_path / "elsewhere").state()
    with pytest.raises(UnknownLaunch):
        stage.edge.probe("shop.0")
