"""One call over HTTP: post, hear the stream, and give up in time."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol
from urllib.parse import urlsplit

import httpx

from agents.gateway.errors import ProviderFault
from agents.gateway.ports import Patience, Said, Wire
from core.registry import Json

_POLL_S = 0.2
_LINE_LIMIT = 8_000_000
_KINDS = {401: "refused_us", 402: "refused_us", 403: "refused_us", 429: "rate_limited"}
_VERSIONED = re.compile(r"/v\d\w*(?:/|$)")
_SECONDS = re.compile(r"\d{1,5}(?:\.\d+)?", re.ASCII)
_SURELY_NOT_STARTED = frozenset({500, 503, 529})
"""Server errors the provider itself answers with, unbilled; 502 and 504 come from a box in between."""


class Cut(Exception):
    """We gave up on purpose: the work or the factory was stopped."""


@dataclass(frozen=True)
class Line:
    """Where one provider is reached; the key is in no representation."""

    client: httpx.Client
    base_url: str
    key: str = field(repr=False)


class Meter(Protocol):
    """Says how much text may come; only beyond `limit_bytes` it is asked."""

    limit_bytes: int

    def __call__(self, written_bytes: int, /) -> bool:
        """Say whether so much is too much; if it is not, the limit was raised."""


def converse(
    wire: Wire,
    line: Line,
    body: bytes,
    *,
    is_cut: Callable[[], bool],
    patience: Patience,
    is_too_much: Meter | None = None,
) -> Said:
    """Post `body` and return the answer once the stream is over, or what was heard when it became too much.

    A thread reads and hears, we watch the clock: a silent provider or a stop ends the wait at once, whatever the socket does.

    Raises:
        ProviderFault: it failed; the fault says whether the provider surely billed nothing.
        Cut: `is_cut` said so; the provider may bill.
    """
    reader = _Reader(wire, line, body, max(patience.silence_s, patience.first_token_s) + 1, is_too_much)
    threading.Thread(target=reader.run, name="model-call", daemon=True).start()
    try:
        while not _is_over(reader, is_cut=is_cut, patience=patience):
            if is_too_much is None or is_too_much(reader.ear.written_bytes):
                said = replace(reader.ear.said(), stop="length", usage=None)
                return replace(said, first_token_ms=reader.first_token_ms)
            reader.go_on()
    finally:
        reader.leave()
    if reader.fault is not None:
        raise reader.fault
    return replace(reader.ear.said(), first_token_ms=reader.first_token_ms)


def _is_over(reader: "_Reader", *, is_cut: Callable[[], bool], patience: Patience) -> bool:
    """Wait until the reader is done, or asks whether it may go on; a cut or the end of patience is an error."""
    while not reader.bell.wait(_POLL_S):
        if is_cut():
            raise Cut
        now = time.monotonic()
        silent_s = now - (reader.heard_at or reader.began)
        allowed_s = patience.silence_s if reader.heard_at else patience.first_token_s
        if silent_s > allowed_s or now - reader.began > patience.total_s:
            raise ProviderFault("silent", is_free=False, words=f"nothing for {silent_s:.0f} s")
    return reader.is_done


@dataclass
class _Reader:
    """Reads one stream in a thread of its own and hears it; it touches no rows.

    It rings when it is done, and when more came than may: then it waits until it may go on.
    """

    wire: Wire
    line: Line
    body: bytes
    read_s: float
    meter: Meter | None
    bell: threading.Event = field(default_factory=threading.Event)
    began: float = field(default_factory=time.monotonic)
    heard_at: float = 0.0
    first_token_ms: int | None = None
    fault: ProviderFault | None = None
    is_done: bool = False
    has_left: bool = False
    _may_go_on: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.ear = self.wire.listen()

    def go_on(self) -> None:
        """Let it read what comes next."""
        self.bell.clear()
        self._may_go_on.set()

    def leave(self) -> None:
        """Nobody waits any more: let it end at the next event."""
        self.has_left = True
        self._may_go_on.set()

    def run(self) -> None:
        """Hear the answer to its end, or keep the fault."""
        try:
            self._read()
        except ProviderFault as fault:
            self.fault = fault
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as problem:
            self._fail("unreachable", problem, is_free=True)
        except httpx.TimeoutException as problem:
            self._fail("silent", problem, is_free=False)
        except httpx.HTTPError as problem:
            self._fail("cut", problem, is_free=False)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as problem:
            self._fail("garbled", problem, is_free=False)
        finally:
            self.is_done = True
            self.bell.set()

    def _read(self) -> None:
        url = url_of(self.line.base_url, self.wire.path)
        headers = {"content-type": "application/json", **self.wire.headers(self.line.key)}
        timeout = httpx.Timeout(self.read_s, connect=10, pool=10)
        with self.line.client.stream(
            "POST", url, content=self.body, headers=headers, timeout=timeout
        ) as response:
            if response.status_code != 200:
                words = response.read()
                raise fault_of(response.status_code, headers=response.headers, words=words, key=self.line.key)
            for event in stream_events(response.iter_bytes()):
                self._hear(event)
                if self.has_left:
                    return
        if not self.ear.is_whole:
            raise ProviderFault("cut", is_free=False, words="the stream ended early")

    def _hear(self, event: Json) -> None:
        self.heard_at = time.monotonic()
        self.ear.hear(event)
        written = self.ear.written_bytes
        if written and self.first_token_ms is None:
            self.first_token_ms = int((self.heard_at - self.began) * 1_000)
        if self.meter is not None and written > self.meter.limit_bytes:
            self._may_go_on.clear()
            self.bell.set()
            if not self.has_left:
                self._may_go_on.wait()

    def _fail(self, kind: str, problem: Exception, *, is_free: bool) -> None:
        self.fault = ProviderFault(kind, is_free=is_free, words=type(problem).__name__)


def stream_events(chunks: Iterator[bytes]) -> Iterator[Json]:
    """Yield the JSON of every `data:` line; only a line feed ends a line, other separators are text.

    Raises:
        ValueError: a line is no JSON object, or endless.
    """
    buffer = b""
    for chunk in chunks:
        *lines, buffer = (buffer + chunk).split(b"\n")
        if len(buffer) > _LINE_LIMIT:
            raise ValueError
        for line in lines:
            data = line.removeprefix(b"data:").strip()
            if line.startswith(b"data:") and data != b"[DONE]":
                yield _object(data)


def _object(data: bytes) -> Json:
    found = json.loads(data)
    if not isinstance(found, dict):
        raise ValueError
    return found


def url_of(base_url: str, path: str) -> str:
    """Return where `path` lies at this provider; an address that names a version of its own replaces ours."""
    base = base_url.rstrip("/")
    return base + (path.removeprefix("/v1") if _VERSIONED.search(urlsplit(base).path) else path)


def fault_of(status: int, *, headers: Mapping[str, str], words: bytes, key: str) -> ProviderFault:
    """Name what a status other than 200 means; its words are kept short and never hold the key."""
    said = _said(words[:20_000].decode(errors="replace").replace(key or "\0", "***"))
    if status >= 500:
        return ProviderFault("server", is_free=status in _SURELY_NOT_STARTED, words=f"{status}: {said}")
    kind = _KINDS.get(status, "refused_request" if status >= 400 else "garbled")
    retry_after_s = _seconds(headers.get("retry-after", ""))
    return ProviderFault(kind, is_free=True, words=f"{status}: {said}", retry_after_s=retry_after_s)


def _said(words: str) -> str:
    """The message inside a provider's error, or its first words."""
    try:
        return str(json.loads(words)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return words[:200]


def _seconds(text: str) -> float | None:
    return float(text) if _SECONDS.fullmatch(text) else None
