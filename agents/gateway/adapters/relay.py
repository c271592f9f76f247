"""One call over HTTP without a thread: the bytes of the answer as they come, for doors that pass them on."""

import asyncio
import io
import os
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPMessage, parse_headers
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from agents.gateway.adapters.http import fault_of, target_of
from agents.gateway.adapters.transport import Place
from agents.gateway.errors import ProviderFault
from agents.gateway.ports import Patience
from core.adapters.tls import trusted

CONNECT_S = 10.0
_IDLE_S = 5.0
_MOST_IDLE = 50
_READ_BYTES, _HEAD_BYTES = 65_536, 1_048_576
_Key = tuple[int, str, str]
_idle: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[_Key, deque["_Wire"]]] = WeakKeyDictionary()
"""Open connections per event loop, process and place: they belong to the loop that opened them."""


@dataclass(frozen=True)
class Answering:
    """A provider that answers: what it is, and its bytes."""

    content_type: str
    chunks: AsyncIterator[bytes]


@dataclass
class _Wire:
    """One open connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    idle_since: float = field(default=0.0)

    @property
    def is_open(self) -> bool:
        """Whether the other side has not hung up as far as we heard."""
        return not (self.reader.at_eof() or self.writer.is_closing())


@asynccontextmanager
async def posted(
    place: Place, path: str, *, body: bytes, headers: Mapping[str, str], patience: Patience
) -> AsyncIterator[Answering]:
    """Post `body` and give the answer while it comes; leaving the block hangs up.

    Raises:
        ProviderFault: it failed; the fault says whether the provider surely billed nothing.
    """
    wire = await _wire_to(place)
    answer = _Answer(wire, patience)
    with _broken_is_a_fault():
        try:
            async with asyncio.timeout(answer.allowed_s) as answer.limit:
                wire.writer.write(_request(place, path, body, headers) + body)
                status, told = await answer.head()
                if status != 200:
                    words = b"".join([part async for part in answer.parts()])[:20_000]
                    small = {name.lower(): value for name, value in told.items()}
                    raise fault_of(status, headers=small, words=words, key=place.key)
                yield Answering(told.get("content-type", ""), answer.parts())
        finally:
            _keep(place, wire, is_over=answer.is_over)


class _Answer:
    """One answer on a connection: its head, then its body; it may be silent for so long."""

    limit: asyncio.Timeout

    def __init__(self, wire: _Wire, patience: Patience) -> None:
        self._reader, self._patience = wire.reader, patience
        self._loop = asyncio.get_running_loop()
        self._ends_at = self._loop.time() + patience.total_s
        self._stretch_at = 0.0
        self.allowed_s = max(patience.silence_s, patience.first_token_s)
        self.is_over = False
        self._told = HTTPMessage()

    async def head(self) -> tuple[int, HTTPMessage]:
        """Return the status and the headers."""
        while True:
            head = await self._reader.readuntil(b"\r\n\r\n")
            first, _, rest = head.partition(b"\r\n")
            version, status = first.split(None, 2)[:2]
            if not version.startswith(b"HTTP/1."):
                raise ValueError
            if status[:1] != b"1":  # what is said on the way there is no answer yet
                self._told, self._is_old = parse_headers(io.BytesIO(rest)), version == b"HTTP/1.0"
                return int(status), self._told

    async def parts(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes."""
        if "chunked" in self._told.get("transfer-encoding", "").lower():
            async for part in self._chunked():
                yield part
        elif (length := self._told.get("content-length")) is not None:
            async for part in self._exactly(int(length)):
                yield part
        else:
            while part := await self._reader.read(_READ_BYTES):
                self._heard()
                yield part
            return  # its end was the end of the connection
        self.is_over = not self._is_old and self._told.get("connection", "").lower() != "close"

    async def _chunked(self) -> AsyncIterator[bytes]:
        while size := int((await self._reader.readuntil(b"\n")).partition(b";")[0], 16):
            async for part in self._exactly(size):
                yield part
            await self._reader.readexactly(2)
        while (await self._reader.readuntil(b"\n")).strip():
            """A trailer says nothing to us."""

    async def _exactly(self, size: int) -> AsyncIterator[bytes]:
        while size:
            part = await self._reader.read(min(size, _READ_BYTES))
            if not part:
                raise EOFError
            self._heard()
            size -= len(part)
            yield part

    def _heard(self) -> None:
        """It is alive: it may be silent for as long again, until its whole time is over."""
        now = self._loop.time()
        if now >= self._stretch_at:
            self.limit.reschedule(min(now + self.allowed_s, self._ends_at))
            self._stretch_at = now + self.allowed_s / 30


@contextmanager
def _broken_is_a_fault() -> Iterator[None]:
    """Say as a fault what breaks after something may have left."""
    try:
        yield
    except TimeoutError as problem:
        raise _fault("silent", problem, is_free=False) from problem
    except (OSError, EOFError, asyncio.LimitOverrunError, ValueError) as problem:
        raise _fault("cut", problem, is_free=False) from problem


def _fault(kind: str, problem: Exception, *, is_free: bool) -> ProviderFault:
    return ProviderFault(kind, is_free=is_free, words=type(problem).__name__)


def _request(place: Place, path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    told = {
        "host": urlsplit(place.base_url).netloc.rpartition("@")[2], "content-type": "application/json",
        "accept-encoding": "identity", "content-length": str(len(body)), **headers,
    }  # fmt: skip
    lines = [f"POST {target_of(place.base_url, path)} HTTP/1.1", *(f"{k}: {v}" for k, v in told.items())]
    if any("\r" in line or "\n" in line for line in lines):
        raise ValueError("a header with two lines")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


async def _wire_to(place: Place) -> _Wire:
    """Return an idle connection that is still open, the last used first, or a new one.

    Raises:
        ProviderFault: nobody took it.
    """
    loop, mine = asyncio.get_running_loop(), _mine(place)
    while mine:
        wire = mine.pop()
        if wire.is_open and loop.time() - wire.idle_since < _IDLE_S:
            return wire
        wire.writer.close()
    try:
        async with asyncio.timeout(CONNECT_S):
            return _Wire(*await _dialled(place))
    except (OSError, ValueError) as problem:
        raise _fault("unreachable", problem, is_free=True) from problem


async def _dialled(place: Place) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if place.socket is not None:
        return await asyncio.open_unix_connection(str(place.socket), limit=_HEAD_BYTES)
    address = urlsplit(place.base_url)
    context = trusted() if address.scheme == "https" else None
    port = address.port or (443 if context else 80)
    return await asyncio.open_connection(address.hostname, port, ssl=context, limit=_HEAD_BYTES)


def _keep(place: Place, wire: _Wire, *, is_over: bool) -> None:
    mine = _mine(place)
    if not (is_over and wire.is_open and len(mine) < _MOST_IDLE):
        with suppress(RuntimeError):  # the loop is over
            wire.writer.close()
        return
    wire.idle_since = now = asyncio.get_running_loop().time()
    mine.append(wire)
    while now - mine[0].idle_since > _IDLE_S:
        mine.popleft().writer.close()


def _mine(place: Place) -> deque[_Wire]:
    here = _idle.setdefault(asyncio.get_running_loop(), {})
    return here.setdefault((os.getpid(), place.base_url, str(place.socket or "")), deque())
