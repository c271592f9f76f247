"""Connections to one place over HTTP/1.1, kept open between calls; whoever reads from one is woken while it is silent."""

import io
import select
import socket
import time
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from ssl import SSLContext
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from core.adapters.tls import trusted

CONNECT_S: Final = 5.0
LOOK_S: Final = 0.2
"""How often whoever waits for bytes is asked whether he still wants them."""
_SEND_S: Final = 30.0
_IDLE_S: Final = 5.0
"""Longer than this no connection is trusted to be open at the other end."""
_HEARD_BYTES: Final = 32_768
Look = Callable[[], None]
"""Is called while bytes are awaited; raises when nobody wants them any more."""


class Unreachable(Exception):
    """Nobody took the connection: nothing left."""


BROKEN: Final = (OSError, HTTPException)
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
    ) -> Iterator[HTTPResponse]:
        """Send a request and give the answer while it comes; the connection is kept when it was read to its end.

        Raises:
            Unreachable: nothing left.
            OSError, HTTPException: the connection broke; the other side may have heard.
        """
        link, is_over = self._open(), False
        try:
            response = link.ask(method, target, body=body, headers=headers, look=look)
            yield response
            is_over = response.isclosed() and not response.will_close
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
            Unreachable, OSError, HTTPException: it did not.
        """
        until = time.monotonic() + within_s

        def look() -> None:
            if time.monotonic() > until:
                raise HTTPException("no answer in time")

        with self.answering(method, target, body=body, headers=headers, look=look) as response:
            return Answer(response.status, headers_of(response), response.read())

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


def headers_of(response: HTTPResponse) -> dict[str, str]:
    """Return the headers of an answer, their names in small letters."""
    return {name.lower(): value for name, value in response.getheaders()}


def proxy_before(base_url: str) -> str | None:
    """Return the proxy that the environment puts before an address outside, if there is one."""
    place = urlsplit(base_url)
    if place.scheme != "https" or proxy_bypass(place.hostname or ""):
        return None
    return getproxies().get("https") or None


class _Link:
    """One connection: the library writes requests and reads answers, through a line that wakes who waits."""

    def __init__(self, host: str, port: int | None, line: "_Line") -> None:
        self._line, self._http = line, HTTPConnection(host, port)
        self._http.sock = line

    def ask(
        self, method: str, target: str, *, body: bytes | None, headers: Mapping[str, str], look: Look
    ) -> HTTPResponse:
        """Return the head of the answer; whoever refuses a request may stop reading it, so that is no error yet."""
        self._line.look = look
        self._line.socket.settimeout(_SEND_S)
        with suppress(BrokenPipeError, ConnectionResetError):
            self._http.request(method, target, body, headers)
            self._line.send()
        self._line.socket.settimeout(LOOK_S)
        return self._http.getresponse()

    def is_quiet(self) -> bool:
        """Say whether nothing came since the last answer, not even the end."""
        poll = select.poll()
        poll.register(self._line.socket, select.POLLIN)
        return not poll.poll(0)

    def hang_up(self) -> None:
        """Close it."""
        self._line.socket.close()


class _Line:
    """A socket as the library reads it: whoever waits looks up whenever it is silent for a moment."""

    def __init__(self, line: socket.socket) -> None:
        self.socket = line
        self.look: Look = _go_on
        self._said: list[bytes] = []

    def makefile(self, mode: str) -> io.BufferedReader:
        """Return what one answer is read from."""
        return io.BufferedReader(_Ear(self), _HEARD_BYTES)

    def sendall(self, data: bytes) -> None:
        """Take what the library says, part by part; `send` lets it go in one piece."""
        self._said.append(data)

    def send(self) -> None:
        """Send it all, or break."""
        said, self._said = self._said, []
        self.socket.sendall(b"".join(said))

    def close(self) -> None:
        """The library lets go; the answer may still be read."""


class _Ear(io.RawIOBase):
    def __init__(self, line: _Line) -> None:
        self._line = line

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        line = self._line
        while True:
            line.look()
            try:
                return line.socket.recv_into(buffer)
            except TimeoutError:  # silent for a moment: look up, and listen on
                continue


def _go_on() -> None:
    """Nobody looks."""


def _connected(place: SplitResult, path: Path | None, context: SSLContext | None) -> _Link:
    host, port = place.hostname or "", place.port or (443 if place.scheme == "https" else 80)
    try:
        line = _dialled(host, port, scheme=place.scheme) if path is None else _beside(path)
        if context is not None:
            line = context.wrap_socket(line, server_hostname=host)
    except BROKEN as problem:
        raise Unreachable(type(problem).__name__) from problem
    return _Link(host, port, _Line(line))


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
