"""Ports come, go and fail, and nobody notices but those who are at them."""

import contextlib
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from factory.delivery.adapters.keeper import SERVE, Keeper
from factory.delivery.ports import EdgeState, Site, Table
from tests.factory.delivery.edge.stage import (
    NAP,
    Stage,
    ask,
    free_port,
    has_begun_an_order,
    kill,
    proxies_of,
    until,
)

OTHERS = ("mail", "map")


@dataclass
class Newcomers:
    """Four people who connect anew for every page; two of them take a moment before they ask."""

    port: int
    answers: list[bytes] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def _come(self, hesitates_s: float) -> None:
        while not self.over.wait(0.002):
            with socket.create_connection(("127.0.0.1", self.port), timeout=20) as link:
                NAP.wait(hesitates_s)
                link.sendall(b"GET / HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n")
                self.answers.append(self._read(link))

    def _read(self, link: socket.socket) -> bytes:
        with contextlib.suppress(OSError):
            return link.recv(12)
        return b"reset"

    @contextlib.contextmanager
    def at_work(self) -> Iterator["Newcomers"]:
        """People come while the block runs."""
        with ThreadPoolExecutor() as pool:
            coming = [pool.submit(self._come, hesitates_s) for hesitates_s in (0, 0, 0.02, 0.02)]
            try:
                yield self
            finally:
                self.over.set()
        assert [it.result() for it in coming] == [None] * 4

    @property
    def lost(self) -> list[bytes]:
        """What came instead of a page."""
        return [answer for answer in self.answers if answer != b"HTTP/1.1 200"]


def bring_beside(stage: Stage, *others: str, ports: dict[str, int]) -> EdgeState:
    """Serve the shop and these products beside it, and wait until all is in force."""
    stage.generation += 1
    shop = Site(port=stage.port, stable=stage.spec("v1"))
    sites = {"shop": shop, **{name: Site(port=ports[name]) for name in others}}
    stage.edge.apply(Table(generation=stage.generation, products=sites))
    until(lambda: all(site.settled for site in stage.edge.state().sites.values()))
    return stage.edge.state()


def test_users_lose_no_request_while_ports_of_other_products_come_and_go(stage: Stage) -> None:
    ports = {name: free_port() for name in OTHERS}
    before = bring_beside(stage, ports=ports)

    with Newcomers(stage.port).at_work() as people:
        for _ in range(6):
            bring_beside(stage, "mail", ports=ports)
            bring_beside(stage, "mail", "map", ports=ports)
            bring_beside(stage, ports=ports)
        after = stage.edge.state()

    assert people.lost == []
    assert len(people.answers) > 100
    assert after.sites["shop"].proxy_pid == before.sites["shop"].proxy_pid
    until(lambda: stage.edge.stats()["shop"].answers == len(people.answers))
    until(lambda: len(proxies_of(stage)) == len(list((stage.edge.home / "proxies").iterdir())) == 1)


def test_a_killed_proxy_is_missed_at_its_own_port_alone_and_what_it_served_stays_counted(
    stage: Stage,
) -> None:
    ports = {name: free_port() for name in OTHERS}
    before = bring_beside(stage, *OTHERS, ports=ports)
    for number in range(5):
        ask(stage.port, number=str(number))

    kill(before.sites["shop"].proxy_pid)
    answer = ask(stage.port)
    until(lambda: stage.edge.stats()["shop"].answers == 6)
    after = stage.edge.state()

    assert answer.is_promised
    assert after.sites["shop"].proxy_pid not in (None, before.sites["shop"].proxy_pid)
    assert [after.sites[name].proxy_pid for name in OTHERS] == [
        before.sites[name].proxy_pid for name in OTHERS
    ]
    until(lambda: len(list((stage.edge.home / "proxies").iterdir())) == 3)
    assert stage.edge.stats()["shop"].answers == 6


def test_a_request_in_flight_at_a_port_that_goes_is_finished(stage: Stage) -> None:
    stage.bring(stage.spec("v1"))

    with ThreadPoolExecutor() as pool:
        slow = pool.submit(ask, stage.port, "/orders", method="POST", number="1&s=1")
        until(lambda: has_begun_an_order(stage))
        stage.edge.apply(Table(generation=stage.generation + 1, products={}))
        refused = ask(stage.port)

    assert slow.result().status == 201
    assert refused.status == 0
    until(lambda: stage.edge.stats()["shop"].answers == 1)
    until(lambda: not proxies_of(stage))


def test_twenty_ports_asked_for_at_once_are_all_served(stage: Stage) -> None:
    ports = {f"p-{n}": free_port() for n in range(20)}

    state = bring_beside(stage, *ports, ports=ports)

    assert len({site.proxy_pid for site in state.sites.values()}) == 21
    assert state.troubles == {}


def test_the_preview_port_is_open_while_there_is_a_candidate(stage: Stage) -> None:
    old, new = stage.spec("v1"), stage.spec("v2")
    stage.bring(old)
    before = ask(stage.preview)
    stage.bring(old, new)
    during = ask(stage.preview)
    stage.bring(new)

    assert (before.status, during.release, ask(stage.preview).status) == (0, "v2", 0)


def test_a_proxy_that_falls_over_its_start_is_told_in_a_sentence(tmp_path: Path) -> None:
    edge, port = Keeper(tmp_path / "home"), free_port()
    subprocess.run([sys.executable, "-I", SERVE, edge.home, "/bin/false"], check=True)  # noqa: S603
    edge.ensure()

    edge.apply(Table(generation=1, products={"shop": Site(port=port)}))
    until(lambda: f"proxy {port}" in edge.state().troubles)

    assert edge.state().troubles[f"proxy {port}"].startswith(f"The proxy of port {port} ended ")
    assert not edge.state().sites["shop"].settled
    Stage(folder=tmp_path).end()
