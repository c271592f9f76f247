"""One call over HTTP: post, hear the stream, and give up in time."""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Protocol
from urllib.parse import urlsplit

from pydantic_core import from_json

from agents.gateway.adapters.links import BROKEN, LOOK_S, Links, Response, Unreachable
from agents.gateway.errors import ProviderFault
from agents.gateway.ports import Ear, Patience, Said, Wire
from core.registry import Json

_LINE_LIMIT = 8_000_000
_KINDS = {401: "refused_us", 402: "refused_us", 403: "refused_us", 429: "rate_limited"}
_VERSIONED = re.compile(r"/v\d\w*(?:/|$)")
_SECONDS = re.compile(r"\d{1,5}(?:\.\d+)?", re.ASCII)
_MAY_HAVE_STARTED = (408, 409, 423, 499)
_SURELY_NOT_STARTED = frozenset(
    {301, 307, 308, *range(400, 500), 500, 503, 529}.difference(_MAY_HAVE_STARTED)
)
"""What a provider answers before it begins, unbilled: it lives elsewhere, where we do not follow; it refuses; it is broken.

Of all else nobody knows: 202 took it, 302 and 303 may name the place of its answer, a time-out, a conflict, a lock or a call that was given up may have begun, and
502 and 504 come from a box in between.
"""


class Cut(Exception):
    """We gave up on purpose: the work or the factory was stopped."""


@dataclass(frozen=True)
class Line:
    """Where one provider is reached; the key is in no representation."""

    links: Links
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

    While nothing comes we look at the clock: a silent provider or a stop ends the wait at once.

    Raises:
        ProviderFault: it failed; the fault says whether the provider surely billed nothing.
        Cut: `is_cut` said so; the provider may bill.
    """
    hearing = _Hearing(wire.listen(), is_cut=is_cut, patience=patience, meter=is_too_much)
    try:
        return _hear(hearing, wire, line, body)
    except ProviderFault as fault:
        raise fault.hiding(line.key) from None
    except Unreachable as problem:
        raise ProviderFault("unreachable", is_free=True, words=str(problem)) from problem
    except TimeoutError as problem:
        raise ProviderFault("silent", is_free=False, words="it takes nothing") from problem
    except BROKEN as problem:
        raise ProviderFault("cut", is_free=False, words=type(problem).__name__) from problem
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as problem:
        raise ProviderFault("garbled", is_free=False, words=type(problem).__name__) from problem


def _hear(hearing: "_Hearing", wire: Wire, line: Line, body: bytes) -> Said:
    headers = {"content-type": "application/json", **wire.headers(line.key)}
    target = target_of(line.base_url, wire.path)
    with line.links.answering("POST", target, body=body, headers=headers, look=hearing.look) as response:
        if response.status != 200:
            words = _words_of(response)
            raise fault_of(response.status, headers=response.headers, words=words, key=line.key)
        for event in stream_events(response.parts()):
            if hearing.hear(event):
                return replace(hearing.said(), stop="length", usage=None)
    if not hearing.ear.is_whole:
        raise ProviderFault("cut", is_free=False, words="the stream ended early")
    return hearing.said()


def _words_of(response: Response) -> bytes:
    """Return what a refusal says, if it comes whole: its status says the most."""
    try:
        return response.read()
    except BROKEN:
        return b""


class _Hearing:
    """One answer while it is heard: how long we wait for it, and how much of it we want."""

    def __init__(
        self, ear: Ear, *, is_cut: Callable[[], bool], patience: Patience, meter: Meter | None
    ) -> None:
        self.ear, self._is_cut, self._patience, self._meter = ear, is_cut, patience, meter
        self._began = time.monotonic()
        self._heard_at, self._look_at = 0.0, self._began + LOOK_S
        self._first_token_ms: int | None = None

    def look(self) -> None:
        """Give up where the work was stopped or the provider is silent for too long; asked before every read."""
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + LOOK_S
        if self._is_cut():
            raise Cut
        silent_s = now - (self._heard_at or self._began)
        allowed_s = self._patience.silence_s if self._heard_at else self._patience.first_token_s
        if silent_s > allowed_s or now - self._began > self._patience.total_s:
            raise ProviderFault("silent", is_free=False, words=f"nothing for {silent_s:.0f} s")

    def hear(self, event: Json) -> bool:
        """Take in one event; say whether that is too much."""
        self._heard_at = time.monotonic()
        self.ear.hear(event)
        written, meter = self.ear.written_bytes, self._meter
        if written and self._first_token_ms is None:
            self._first_token_ms = int((self._heard_at - self._began) * 1_000)
        return meter is not None and written > meter.limit_bytes and meter(written)

    def said(self) -> Said:
        """Return what was heard."""
        return replace(self.ear.said(), first_token_ms=self._first_token_ms)


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
            if line.startswith(b"data:") and (data := line[5:].strip()) != b"[DONE]":
                if not isinstance(found := read_json(data), dict):
                    raise ValueError
                yield found


def read_json(data: bytes) -> Any:
    """Return the value that one event of a stream holds; an answer has hundreds of them.

    Raises:
        ValueError: it is no JSON.
    """
    try:
        return from_json(data)
    except (
        ValueError
    ):  # it takes no half of a sign outside the basic plane, which some servers send piece by piece
        return json.loads(data)


@lru_cache(maxsize=64)
def target_of(base_url: str, path: str) -> str:
    """Return where `path` lies at this provider, seen from its host."""
    return urlsplit(url_of(base_url, path)).path


@lru_cache(maxsize=64)
def url_of(base_url: str, path: str) -> str:
    """Return where `path` lies at this provider; an address that names a version of its own replaces ours."""
    base = base_url.rstrip("/")
    return base + (path.removeprefix("/v1") if _VERSIONED.search(urlsplit(base).path) else path)


def fault_of(status: int, *, headers: Mapping[str, str], words: bytes, key: str) -> ProviderFault:
    """Name what a status other than 200 means; its words are kept short and never hold the key."""
    said = _said(words[:20_000].decode(errors="replace").replace(key or "\0", "***"))
    is_free = status in _SURELY_NOT_STARTED
    if status >= 500:
        return ProviderFault("server", is_free=is_free, words=f"{status}: {said}")
    kind = _KINDS.get(status, "refused_request" if status >= 400 else "garbled")
    retry_after_s = _seconds(headers.get("retry-after", ""))
    return ProviderFault(kind, is_free=is_free, words=f"{status}: {said}", retry_after_s=retry_after_s)


def _said(words: str) -> str:
    """The message inside a provider's error, or its first words."""
    try:
        return str(json.loads(words)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return words[:200]


def _seconds(text: str) -> float | None:
    return float(text) if _SECONDS.fullmatch(text) else None
