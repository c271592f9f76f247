"""Connections to a provider: kept open between calls, given up in time, and never trusted once the other side hung up."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from agents.gateway.adapters.http import Line, converse, read_json
from agents.gateway.adapters.links import Broken, Links, Response, Unreachable
from agents.gateway.adapters.relay import posted
from agents.gateway.adapters.transport import WIRES, Place
from agents.gateway.errors import ProviderFault
from agents.gateway.ports import Patience


class _Echo(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        """Say from which port the request came, and what it held."""
        body = self.rfile.read(int(self.headers["content-length"]))
        if "refuses" in self.path:
            self.send_response(429)
            self.send_header("content-length", "500")
            self.send_header("retry-after", "7")
            self.end_headers()
            self.wfile.write(b"no mo")
            self.close_connection = True
            return
        if self.path == "/silent":
            time.sleep(1.5)
        said = json.dumps([self.client_address[1], body.decode(), self.path]).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(said)))
        if self.path == "/once":
            self.close_connection = True  # without a word about it
        self.end_headers()
        self.wfile.write(said)

    def do_CONNECT(self) -> None:
        """Refuse to be a way to elsewhere, and remember what was asked."""
        self.server.asked = (self.path, self.headers["proxy-authorization"])  # type: ignore[attr-defined]
        self.send_error(403)


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    """A server on loopback that says who asks."""
    made = ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    made.daemon_threads = True
    made.handle_error = lambda *_: None  # type: ignore[method-assign]  # who gave up hung up
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


@pytest.fixture
def links(server: ThreadingHTTPServer) -> Iterator[Links]:
    """The connections to it."""
    made = Links(f"http://127.0.0.1:{server.server_address[1]}")
    yield made
    made.close()


def ask(links: Links, path: str = "/", *, within_s: float = 5) -> list[object]:
    """Return what it says."""
    answer = links.ask("POST", path, body=b"hello", headers={"content-type": "text/plain"}, within_s=within_s)
    said: list[object] = json.loads(answer.body)
    return said


def test_the_next_call_goes_through_the_same_connection(links: Links) -> None:
    first, again = ask(links), ask(links, "/again")

    assert first[1:] == ["hello", "/"]
    assert again == [first[0], "hello", "/again"]


def test_a_connection_that_the_other_side_closed_meanwhile_is_not_used_again(links: Links) -> None:
    first = ask(links, "/once")
    while links._idle and links._idle[-1][1].is_quiet():
        time.sleep(0.01)

    assert ask(links)[0] != first[0]


def test_calls_at_once_have_a_connection_each(links: Links) -> None:
    with links.answering("POST", "/a", body=b"1", headers={}, look=lambda: None) as one:
        beside = ask(links)
        asked = json.loads(one.read())

    assert asked[0] != beside[0]


def test_who_waits_in_vain_gives_up_in_time_and_the_late_answer_is_nobodys(links: Links) -> None:
    with pytest.raises(Broken):
        ask(links, "/silent", within_s=0.3)

    assert ask(links)[2] == "/"


def test_nobody_there_means_that_nothing_left() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    with pytest.raises(Unreachable):
        Links(f"http://127.0.0.1:{port}").ask("GET", "/", headers={}, within_s=1)


def test_a_sealed_address_outside_is_reached_through_the_proxy_of_the_environment(
    server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", f"http://ada:pa%3Ass@127.0.0.1:{server.server_address[1]}")
    monkeypatch.delenv("no_proxy", raising=False)

    with pytest.raises(Unreachable):
        Links("https://provider.example").ask("GET", "/v1/models", headers={}, within_s=1)

    assert server.asked == ("provider.example:443", "Basic YWRhOnBhOnNz")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("said", "body", "is_kept"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", b"hello", True),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=1\r\nlo\r\n0\r\n\r\n",
            b"hello",
            True,
        ),
        (
            b"HTTP/1.1 103 Early Hints\r\nlink: /a\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
            b"hi",
            True,
        ),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi", b"hi", False),
        (b"HTTP/1.0 200 OK\r\n\r\nuntil it closes", b"until it closes", False),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n!",
            b"hi",
            False,
        ),
    ],
)
@pytest.mark.parametrize("step", [1, 7, 1_000])
def test_an_answer_is_the_same_in_whatever_pieces_it_comes(
    said: bytes,
    body: bytes,
    is_kept: bool,  # noqa: FBT001 (a case of it)
    step: int,
) -> None:
    response = Response(pieces(said, step))

    assert (response.status, response.read()) == (200, body)
    if step == 1_000 or is_kept:
        assert response.leaves_open is is_kept


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-le",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nl",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 101 Switching\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 300_000,
    ],
)
def test_what_is_no_whole_answer_breaks(said: bytes) -> None:
    with pytest.raises(Broken):
        Response(pieces(said, 50_000)).read()


def test_nothing_in_a_head_begins_another_line(links: Links) -> None:
    for headers, path in (({"authorization": "Bearer a\r\nhost: b"}, "/"), ({}, "/ HTTP/1.1\r\nhost: b")):
        with pytest.raises(ValueError, match="no line of a request"):
            links.ask("POST", path, body=b"", headers=headers, within_s=5)


def pieces(said: bytes, step: int) -> Callable[[], bytes]:
    """Return what hears `said` piece by piece, and then the end."""
    rest = iter([said[at : at + step] for at in range(0, len(said), step)])
    return lambda: next(rest, b"")


def test_half_a_sign_is_read_as_it_was_sent_and_nonsense_is_not() -> None:
    assert read_json(rb'{"a": "\ud83d"}') == {"a": "\ud83d"}
    with pytest.raises(ValueError, match="line 1"):
        read_json(b"{oops")


def test_a_refusal_that_breaks_off_is_the_refusal_that_its_status_says(server: ThreadingHTTPServer) -> None:
    place = Place(f"http://127.0.0.1:{server.server_address[1]}", "key")
    patience = Patience(first_token_s=5, silence_s=5, total_s=5)
    line = Line(Links(place.base_url), f"{place.base_url}/refuses", "key")

    async def passed_on() -> None:
        async with posted(place, "/v1/refuses", body=b"{}", headers={}, patience=patience):
            """It does not come so far."""

    for ask in (
        lambda: asyncio.run(passed_on()),
        lambda: converse(WIRES["openai"], line, b"{}", is_cut=lambda: False, patience=patience),
    ):
        with pytest.raises(ProviderFault) as refused:
            ask()
        assert (refused.value.kind, refused.value.is_free, refused.value.retry_after_s) == (
            "rate_limited",
            True,
            7.0,
        )
