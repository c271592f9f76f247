"""One call over HTTP: post, hear the stream, and give up in time."""

import json
import queue
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
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


def converse(
    wire: Wire,
    line: Line,
    body: bytes,
    *,
    is_cut: Callable[[], bool],
    patience: Patience,
    is_too_much: Callable[[int], bool] = lambda written: False,
) -> Said:
    """Post `body` and return the answer once the stream is over, or what was heard when it became too much.

    A thread reads, we watch the clock: a silent provider or a stop ends the wait at once, whatever the socket does.

    Raises:
        ProviderFault: it failed; the fault says whether the provider surely billed nothing.
        Cut: `is_cut` said so; the provider may bill.
    """
    mail: queue.SimpleQueue[Json | ProviderFault | None] = queue.SimpleQueue()
    has_left = threading.Event()
    reader = _Reader(wire, line, body, mail, has_left, max(patience.silence_s, patience.first_token_s) + 1)
    threading.Thread(target=reader.run, name="model-call", daemon=True).start()
    try:
        return _hear(wire, _events(mail, is_cut=is_cut, patience=patience), is_too_much)
    finally:
        has_left.set()


def _hear(wire: Wire, events: Iterator[Json], is_too_much: Callable[[int], bool]) -> Said:
    ear, began = wire.listen(), time.monotonic()
    first_token_ms = None
    for event in events:
        try:
            ear.hear(event)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as problem:
            raise ProviderFault("garbled", is_free=False, words=f"{type(problem).__name__}") from problem
        if first_token_ms is None and ear.written_bytes:
            first_token_ms = int((time.monotonic() - began) * 1000)
        if is_too_much(ear.written_bytes):
            return replace(ear.said(), stop="length", usage=None, first_token_ms=first_token_ms)
    if not ear.is_whole:
        raise ProviderFault("cut", is_free=False, words="the stream ended early")
    return replace(ear.said(), first_token_ms=first_token_ms)


def _events(
    mail: "queue.SimpleQueue[Json | ProviderFault | None]", *, is_cut: Callable[[], bool], patience: Patience
) -> Iterator[Json]:
    """Yield events as they come, until the end, a fault, a cut or the end of patience."""
    began = heard = time.monotonic()
    allowed_s = patience.first_token_s
    while True:
        if is_cut():
            raise Cut
        now = time.monotonic()
        if now - heard > allowed_s or now - began > patience.total_s:
            raise ProviderFault("silent", is_free=False, words=f"nothing for {now - heard:.0f} s")
        try:
            item = mail.get(timeout=_POLL_S)
        except queue.Empty:
            continue
        if item is None:
            return
        if isinstance(item, ProviderFault):
            raise item
        heard, allowed_s = time.monotonic(), patience.silence_s
        yield item


@dataclass(frozen=True)
class _Reader:
    """Reads one stream in a thread of its own; it touches no rows."""

    wire: Wire
    line: Line
    body: bytes
    mail: "queue.SimpleQueue[Json | ProviderFault | None]"
    has_left: threading.Event
    read_s: float

    def run(self) -> None:
        """Put every event into the mail, then None, or the fault."""
        try:
            self._read()
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as problem:
            self._fail("unreachable", problem, is_free=True)
        except httpx.TimeoutException as problem:
            self._fail("silent", problem, is_free=False)
        except httpx.HTTPError as problem:
            self._fail("cut", problem, is_free=False)
        except ValueError as problem:
            self._fail("garbled", problem, is_free=False)

    def _read(self) -> None:
        url = url_of(self.line.base_url, self.wire.path)
        headers = {"content-type": "application/json", **self.wire.headers(self.line.key)}
        timeout = httpx.Timeout(self.read_s, connect=10, pool=10)
        with self.line.client.stream(
            "POST", url, content=self.body, headers=headers, timeout=timeout
        ) as response:
            if response.status_code != 200:
                words = response.read()
                self.mail.put(
                    fault_of(response.status_code, headers=response.headers, words=words, key=self.line.key)
                )
                return
            for event in stream_events(response.iter_bytes()):
                if self.has_left.is_set():
                    return
                self.mail.put(event)
        self.mail.put(None)

    def _fail(self, kind: str, problem: Exception, *, is_free: bool) -> None:
        self.mail.put(ProviderFault(kind, is_free=is_free, words=type(problem).__name__))


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
