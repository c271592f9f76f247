"""Where products are served, how their clockwork is moved, and what one hand at a time does on disk."""

import io
import socket
import tarfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from core.registry import Stop
from factory.delivery.adapters.home import ProductHome
from factory.delivery.adapters.unpacked import unpack
from factory.delivery.errors import LaunchStopped, NoPortFree, TrialFailed
from factory.delivery.models import Place
from factory.delivery.services import tick_products, url_of
from factory.delivery.services.places import home_of, place_of
from tests.builders import a_product
from tests.crowd import together
from tests.factory.delivery.carrying import a_live_release
from tests.factory.delivery.scripted import ScriptedEdge
from tests.factory.delivery.venture import Venture, packed

needs_rows = pytest.mark.django_db


@contextmanager
def a_foreign_program(port: int) -> Iterator[None]:
    """Somebody listens on a port."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        yield


@pytest.mark.django_db(transaction=True)
def test_products_that_get_their_place_at_the_same_moment_share_no_port(settings: Settings) -> None:
    settings.PRODUCT_PORTS = range(48_500, 48_600)
    products = [a_product(f"many-{n}") for n in range(4)]

    places = together([partial(place_of, product) for product in products])

    assert {place.product for place in places} == set(products)
    assert len({port for place in places for port in (place.port, place.preview_port)}) == 8


@needs_rows
def test_a_place_is_two_ports_that_nobody_uses_and_stays(machine: Path, settings: Any) -> None:
    ports = list(settings.PRODUCT_PORTS)
    product = a_product()
    nowhere = url_of(product)

    with a_foreign_program(ports[0]):
        place = place_of(product)
    again = place_of(product)
    other = place_of(a_product("Other"))

    assert nowhere == ""
    assert (place.port, place.preview_port) == (ports[1], ports[2])
    assert again == place
    assert (other.port, other.preview_port) == (ports[0], ports[3])
    assert url_of(product) == f"http://127.0.0.1:{ports[1]}"


@needs_rows
def test_when_every_port_is_in_use_a_sentence_says_which_were_looked_at(machine: Path, settings: Any) -> None:
    first = settings.PRODUCT_PORTS.start
    settings.PRODUCT_PORTS = range(first, first + 3)
    place_of(a_product("One"))

    with pytest.raises(NoPortFree) as refused:
        place_of(a_product("Two"))

    assert (
        refused.value.sentence
        == f"Every port of FACTORY_PRODUCT_PORTS is in use. (ports: {first}-{first + 2})"
    )
    assert Place.objects.count() == 1


@contextmanager
def a_slow_product(port: int) -> Iterator[list[str]]:
    """A product that takes its time over every tick; gives the keys it was asked with."""
    keys: list[str] = []
    go_on = threading.Event()

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            keys.append(f"{self.path} {self.headers['X-Tick-Key']}")
            go_on.wait(20)
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Answers)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield keys
    finally:
        go_on.set()
        server.shutdown()
        server.server_close()


@needs_rows
def test_nobody_waits_for_a_slow_tick_and_it_is_not_begun_twice(machine: Path) -> None:
    venture, edge = Venture(), ScriptedEdge()
    a_live_release(venture, edge, "1")
    home = home_of(venture.product)

    with a_slow_product(place_of(venture.product).port) as keys:
        began = time.monotonic()
        counts = [tick_products(), tick_products()]
        took_s = time.monotonic() - began
        going = [thread for thread in threading.enumerate() if thread.name == f"tick-{venture.product.pk}"]
        while not keys:
            going[0].join(0.01)
    going[0].join()

    assert counts == [1, 0]
    assert took_s < 10
    assert keys == [f"/internal/tick {home.secret('tick_key')}"]


@needs_rows
def test_a_product_that_is_gone_is_a_line_in_the_log(machine: Path, caplog: pytest.LogCaptureFixture) -> None:
    venture, edge = Venture(), ScriptedEdge()
    a_live_release(venture, edge, "1")

    tick_products()
    for thread in threading.enumerate():
        if thread.name.startswith("tick-"):
            thread.join()

    assert [record.__dict__["why"] for record in caplog.records if record.msg == "delivery.tick_failed"] == [
        "ConnectError"
    ]


def test_two_hands_unpack_the_same_release_and_one_whole_tree_stands_there(tmp_path: Path) -> None:
    content = packed({f"folder/file-{n}.txt": "x" * 10_000 for n in range(50)})
    tree = tmp_path / "releases" / "abc"

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: unpack(content, tree=tree), range(8)))

    assert len(list((tree / "folder").iterdir())) == 50
    assert [path.name for path in tree.parent.iterdir()] == ["abc"]


def a_tar_with(info: tarfile.TarInfo) -> bytes:
    """Return an archive of one strange entry."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        archive.addfile(info, io.BytesIO(b""))
    return target.getvalue()


def a_link() -> tarfile.TarInfo:
    """Return a link that leads outside."""
    info = tarfile.TarInfo("inside")
    info.type, info.linkname = tarfile.SYMTYPE, "/etc"
    return info


@pytest.mark.parametrize(
    "content", [b"no archive", a_tar_with(tarfile.TarInfo("../out")), a_tar_with(a_link())]
)
def test_a_bad_archive_is_refused_and_leaves_nothing(tmp_path: Path, content: bytes) -> None:
    tree = tmp_path / "releases" / "abc"

    with pytest.raises(TrialFailed, match="cannot be unpacked"):
        unpack(content, tree=tree)

    assert list(tree.parent.iterdir()) == []


def test_one_hand_at_a_time_holds_a_product_and_a_second_one_stops_waiting_when_told(tmp_path: Path) -> None:
    home, stop = ProductHome(tmp_path / "p"), Stop()
    stop.set()

    with home.held(stop=Stop()), pytest.raises(LaunchStopped), home.held(stop=stop):
        pass
    with home.held(stop=stop):
        held = True

    assert held


def test_secrets_are_made_once_kept_and_ours_alone(tmp_path: Path) -> None:
    home = ProductHome(tmp_path / "p")

    with ThreadPoolExecutor(8) as pool:
        seen = set(pool.map(lambda _: home.secret("secret_key"), range(16)))

    assert seen == {home.secret("secret_key")}
    assert len(home.secret("secret_key")) > 30
    assert {path.name for path in home.folder.iterdir()} == {"secret_key"}
    assert home.secret("tick_key") != home.secret("secret_key")
    assert home.trial_secret("tick_key") not in {home.secret("tick_key"), home.trial_secret("secret_key")}
    assert (tmp_path / "p" / "secret_key").stat().st_mode & 0o077 == 0
