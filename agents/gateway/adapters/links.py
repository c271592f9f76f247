"""Connections to one place over HTTP/1.1, kept open between calls; whoever reads from one is woken while it is silent."""

import re
import select
import socket
import time
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from ssl import SSLContext
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from core.adapters.tls import trusted

CONNECT_S: Final = 5.0
LOOK_S: Final = 0.2
"""How often whoever waits for bytes is asked whether he still wants them."""
_SEND_S: Final = 30.0
_IDLE_S: Final = 5.0
"""Longer than this no connection is trusted to be open at the other end."""
_HEARD_BYTES: Final = 65_536
_LONGEST_HEAD: Final = 262_144
_FINAL: Final = 200
"""Below this an answer only says that another one comes."""
_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f]")
Look = Callable[[], None]
"""Is called while bytes are awaited; raises when nobody wants them any more."""


class Unreachable(Exception):
    """Nobody took the connection: nothing left."""


class Broken(Exception):
    """What came is no whole answer."""


BROKEN: Final = (OSError, Broken)
"""What a connection that breaks raises, after something may have left."""


@dataclass(frozen=True)
class Answer:
    """An answer in one piece."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Links:
    """The connections to one place; any number of threads may use it, each call has one for itself."""

    def __init__(self, base_url: str, *, path: Path | None = None) -> None:
        """Name the place; `path` is the socket of a process beside us that stands in for the address."""
        self._place, self._path = urlsplit(base_url), path
        is_sealed = self._place.scheme == "https" and path is None
        self._context: SSLContext | None = trusted() if is_sealed else None
        self._idle: deque[tuple[float, _Link]] = deque()

    @contextmanager
    def answering(
        self, method: str, target: str, *, body: bytes | None, headers: Mapping[str, str], look: Look
    ) -> Iterator["Response"]:
        """Send a request and give the answer while it comes; the connection is kept when it was read to its end.

        Raises:
            Unreachable: nothing left.
            OSError, Broken: the connection broke; the other side may have heard.
        """
        link, is_over = self._open(), False
        try:
            response = link.ask(method, target, body=body, headers=headers, look=look)
            yield response
            is_over = response.leaves_open
        finally:
            if is_over:
                self._keep(link)
            else:
                link.hang_up()

    def ask(
        self,
        method: str,
        target: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str],
        within_s: float,
    ) -> Answer:
        """Return the whole answer, if it comes in time.

        Raises:
            Unreachable, OSError, Broken: it did not.
        """
        until = time.monotonic() + within_s

        def look() -> None:
            if time.monotonic() > until:
                raise Broken("no answer in time")

        with self.answering(method, target, body=body, headers=headers, look=look) as response:
            return Answer(response.status, response.headers, response.read())

    def _keep(self, link: "_Link") -> None:
        """Keep it for the next call, and close what nobody asked for in time."""
        now = time.monotonic()
        self._idle.append((now, link))
        with suppress(IndexError):
            while now - self._idle[0][0] > _IDLE_S:
                self._idle.popleft()[1].hang_up()

    def close(self) -> None:
        """Close what is idle; what is in use is closed by its user."""
        with suppress(IndexError):
            while True:
                self._idle.pop()[1].hang_up()

    def _open(self) -> "_Link":
        """Return an idle connection that is still open, the last used first, or a new one."""
        with suppress(IndexError):
            while True:
                since, link = self._idle.pop()
                if time.monotonic() - since < _IDLE_S and link.is_quiet():
                    return link
                link.hang_up()
        return _connected(self._place, self._path, self._context)


def proxy_before(base_url: str) -> str | None:
    """Return the proxy that the environment puts before an address outside, if there is one."""
    place = urlsplit(base_url)
    if place.scheme != "https" or proxy_bypass(place.hostname or ""):
        return None
    return getproxies().get("https") or None


class _Link:
    """One connection: requests go out in one piece, answers are read as they come."""

    def __init__(self, line: socket.socket, host: str) -> None:
        self._line, self._host = line, host

    def ask(
        self, method: str, target: str, *, body: bytes | None, headers: Mapping[str, str], look: Look
    ) -> "Response":
        """Return the answer once its head is here; whoever refuses a request may stop reading it, so that is no error yet."""
        asked = _request(method, target, {"host": self._host, **headers}, body)
        self._line.settimeout(_SEND_S)
        with suppress(BrokenPipeError, ConnectionResetError):
            self._line.sendall(asked)
        self._line.settimeout(LOOK_S)
        return Response(partial(_heard, self._line, look))

    def is_quiet(self) -> bool:
        """Say whether nothing came since the last answer, not even the end."""
        poll = select.poll()
        poll.register(self._line, select.POLLIN)
        return not poll.poll(0)

    def hang_up(self) -> None:
        """Close it."""
        self._line.close()


class Response:
    """One answer while it comes: its head is here, its body is read once."""

    def __init__(self, hear: Callable[[], bytes]) -> None:
        """Read its head; `hear` returns what comes next, and nothing at the end.

        Raises:
            OSError, Broken: it ended, or is no HTTP.
        """
        self._hear, self._ear = hear, _Ear()
        heard = 0
        while not self._ear.has_head:
            if heard > _LONGEST_HEAD:
                raise Broken("an endless head")
            heard += self._hear_more()

    @property
    def status(self) -> int:
        """Its status."""
        return self._ear.status

    @property
    def headers(self) -> Mapping[str, str]:
        """Its headers, their names in small letters."""
        return self._ear.headers

    @property
    def leaves_open(self) -> bool:
        """Whether all of it was read, and its connection takes another request."""
        return self._ear.is_whole and self._ear.leaves_open

    def parts(self) -> Iterator[bytes]:
        """Yield the body as it comes.

        Raises:
            OSError, Broken: it ended early.
        """
        while True:
            if part := self._ear.take():
                yield part
            if self._ear.is_whole:
                return
            self._hear_more()

    def read(self) -> bytes:
        """Return the body, or raise as `parts` does."""
        return b"".join(self.parts())

    def _hear_more(self) -> int:
        data = self._hear()
        self._ear.take_in(data)
        return len(data)


class _Ear:
    """What the parser finds in one answer; it calls what begins with `on`."""

    def __init__(self) -> None:
        self.status, self.headers = 0, dict[str, str]()
        self.has_head = self.is_whole = self.leaves_open = False
        self._body: list[bytes] = []
        self._parser = HttpResponseParser(self)

    def take_in(self, data: bytes) -> None:
        """Read on; no data: the other side closed, which ends an answer of no length and breaks off any other."""
        if not data:
            if not self.has_head or self._is_measured():
                raise Broken("it ended early")
            self.is_whole = True
            return
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as problem:
            if not self.is_whole:
                raise Broken(type(problem).__name__) from problem
            self.leaves_open = False  # more came than was asked for

    def take(self) -> bytes:
        """Return what is here of the body and was not taken yet."""
        part = b"".join(self._body)
        self._body.clear()
        return part

    def _is_measured(self) -> bool:
        return "content-length" in self.headers or "transfer-encoding" in self.headers

    def on_message_begin(self) -> None:
        if self.is_whole:
            raise Broken("a second answer")

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self.has_head = self.status >= _FINAL
        if not self.has_head:
            self.headers.clear()

    def on_body(self, data: bytes) -> None:
        self._body.append(data)

    def on_message_complete(self) -> None:
        if self.has_head:
            self.is_whole, self.leaves_open = True, self._parser.should_keep_alive()
            del self._parser  # it holds us too: so both are gone at once


def _request(method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
    """Return a request as it is sent.

    Raises:
        ValueError: something in its head would begin another line.
    """
    size = {} if body is None else {"content-length": str(len(body))}
    told = {"accept-encoding": "identity", **headers, **size}
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in told.items())]
    if any(_UNSAFE.search(line) for line in lines) or " " in target:
        raise ValueError("no line of a request")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


def _heard(line: socket.socket, look: Look) -> bytes:
    """Return the next bytes; while it is silent, look up every moment."""
    while True:
        look()
        try:
            return line.recv(_HEARD_BYTES)
        except TimeoutError:
            continue


def _connected(place: SplitResult, path: Path | None, context: SSLContext | None) -> _Link:
    host, port = place.hostname or "", place.port or (443 if place.scheme == "https" else 80)
    try:
        line = _dialled(host, port, scheme=place.scheme) if path is None else _beside(path)
        if context is not None:
            line = context.wrap_socket(line, server_hostname=host)
    except (HTTPException, *BROKEN) as problem:
        raise Unreachable(type(problem).__name__) from problem
    return _Link(line, place.netloc.rpartition("@")[2])


def _beside(path: Path) -> socket.socket:
    line = socket.socket(socket.AF_UNIX)
    try:
        line.settimeout(CONNECT_S)
        line.connect(str(path))
    except OSError:
        line.close()
        raise
    return line


def _dialled(host: str, port: int, *, scheme: str) -> socket.socket:
    """Return a socket to the address, through the proxy where one stands before it."""
    asked = urlsplit(proxy_before(f"{scheme}://{host}") or "")
    http = HTTPConnection(asked.hostname or host, asked.port or port, timeout=CONNECT_S)
    if asked.hostname:
        known = f"{unquote(asked.username or '')}:{unquote(asked.password or '')}".encode()
        told = {"proxy-authorization": f"Basic {b64encode(known).decode()}"} if asked.username else {}
        http.set_tunnel(host, port, told)
    http.connect()
    return http.sock
