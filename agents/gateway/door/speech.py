"""The words that came go on untouched where the provider knows them; only what money needs is read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol as Port

from agents.gateway.adapters.anthropic import VERSION
from agents.gateway.adapters.ears import ear_for, whole_as_events
from agents.gateway.adapters.http import read_json
from agents.gateway.door.protocols import Protocol, Wanted
from agents.gateway.errors import ProviderFault
from agents.gateway.ports import Ear, Said
from agents.gateway.services.bounds import body_bytes
from core.registry import Json

_LINE_LIMIT = 8_000_000
_WHOLE_LIMIT = 64_000_000
_MARKS = (b"data:", b"event:", b"id:", b"retry:", b":")
_PASSED_ON = ("anthropic-version", "anthropic-beta")
"""Headers of the request that a provider should see; no other leaves."""
_ODD = (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError)
"""What reading raises where an answer has another shape than its protocol says."""


@dataclass(frozen=True)
class Written:
    """The body of a call, as bytes and as data."""

    body: bytes
    data: Json


class Hearing(Port):
    """Hears one answer and gives what goes on to whoever asked."""

    def feed(self, chunk: bytes, /) -> bytes:
        """Take in bytes of the provider; return what goes on now.

        Raises:
            ProviderFault: it is no answer.
        """

    def left(self) -> bytes:
        """Return what was heard well before a fault, and did not go on yet."""

    def end(self) -> bytes:
        """Return the rest, once the provider hung up.

        Raises:
            ProviderFault: the answer is not whole.
        """

    @property
    def is_whole(self) -> bool:
        """Whether the provider said that the answer is over."""

    @property
    def written_bytes(self) -> int:
        """How much text was heard so far."""

    def said(self) -> Said:
        """Return what was billed.

        Raises:
            ProviderFault: nobody can read it.
        """


class Speech(Port):
    """How one provider is spoken to for one door."""

    @property
    def path(self) -> str:
        """Where to post, below the provider's address."""

    def headers(self, key: str, told: Mapping[str, str], /) -> dict[str, str]:
        """Return the headers of the call: the key, and what may go on of those that were `told`."""

    def write(self, wanted: Wanted, *, model: str, max_tokens: int) -> Written:
        """Return the body of the call."""

    def listen(self, wanted: Wanted, /) -> Hearing:
        """Return an ear for one answer."""


@dataclass(frozen=True)
class Native:
    """The provider speaks the protocol that was asked.

    Attributes:
        room: its own word for the limit of an answer; empty: whichever was asked.
        tier: what it is told where nobody chose a tier, else it takes its account's, which may be dearer; empty: it knows none.
    """

    protocol: Protocol
    room: str = ""
    tier: str = ""

    @property
    def path(self) -> str:
        """The same as here."""
        return self.protocol.path

    def headers(self, key: str, told: Mapping[str, str], /) -> dict[str, str]:
        """Return the key in the protocol's own header."""
        if self.protocol.speech == "openai":
            return {"authorization": f"Bearer {key}"} if key else {}
        kept = {name: told[name] for name in _PASSED_ON if name in told}
        return {"x-api-key": key, "anthropic-version": VERSION, **kept}

    def write(self, wanted: Wanted, *, model: str, max_tokens: int) -> Written:
        """Return the bytes that came, with the model's own name and room, and usage asked for."""
        said, rooms = wanted.body.data, self.protocol.room
        values: Json = {} if wanted.model == model else {"model": model}
        names = [self.room] if self.room else [name for name in rooms if said.get(name) is not None]
        values |= dict.fromkeys(names or rooms[:1], max_tokens)
        if self.tier and said.get("service_tier") in (None, "auto"):
            values["service_tier"] = self.tier
        if wanted.is_stream and self.protocol.name == "chat":
            values["stream_options"] = {**(said.get("stream_options") or {}), "include_usage": True}
        if self.room and any(name in said for name in rooms if name != self.room):
            data = {name: value for name, value in said.items() if name not in rooms} | values
            return Written(body_bytes(data), data)
        return Written(wanted.body.with_values(values), {**said, **values})

    def listen(self, wanted: Wanted, /) -> Hearing:
        """Return an ear that passes on what it hears."""
        ear = ear_for(self.protocol.name)
        if not wanted.is_stream:
            return Whole(self.protocol.name, ear)
        asked = (wanted.body.data.get("stream_options") or {}).get("include_usage")
        is_chat = self.protocol.name == "chat"
        return Stream(ear, hides_usage=is_chat and not asked, choices=wanted.choices)


@dataclass
class Whole:
    """An answer in one piece."""

    door: str
    ear: Ear
    _got: bytearray = field(default_factory=bytearray)

    def feed(self, chunk: bytes, /) -> bytes:
        """Keep it: half an answer is none."""
        self._got += chunk
        if len(self._got) > _WHOLE_LIMIT:
            raise ProviderFault("garbled", is_free=False, words="endless")
        return b""

    def left(self) -> bytes:
        """Return nothing: half an answer is none."""
        return b""

    def end(self) -> bytes:
        """Return the answer as it came."""
        try:
            for event in whole_as_events(self.door, json.loads(self._got)):
                self.ear.hear(event)
        except _ODD as problem:
            raise garbled(problem) from problem
        if not self.ear.is_whole:
            raise ProviderFault("cut", is_free=False, words="the answer has no end")
        return bytes(self._got)

    @property
    def is_whole(self) -> bool:
        """Whether the answer came."""
        return self.ear.is_whole

    @property
    def written_bytes(self) -> int:
        """How much text was heard so far."""
        return self.ear.written_bytes

    def said(self) -> Said:
        """Return what was billed."""
        return _said(self.ear)


@dataclass
class Stream:
    """Server-sent events, passed on line by line as they came; a usage that was not asked for stays here."""

    ear: Ear
    hides_usage: bool = False
    choices: int = 1
    _rest: bytes = b""
    _is_hiding: bool = False
    _is_done: bool = False
    _finished: set[int | None] = field(default_factory=set)
    _out: list[bytes] = field(default_factory=list)

    def feed(self, chunk: bytes, /) -> bytes:
        """Hear every whole line and pass it on."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        try:
            for line in lines:
                self._pass(line)
            if len(self._rest) > _LINE_LIMIT:
                raise ProviderFault("garbled", is_free=False, words="endless line")
        except ProviderFault:
            self._rest = b""  # nobody reads on
            self._drop_half()
            raise
        return self.left()

    def left(self) -> bytes:
        """Return what was heard well, in whole events."""
        out, self._out = b"".join(self._out), []
        return out

    def _drop_half(self) -> None:
        """Forget the lines of an event that is not over."""
        while self._out and self._out[-1].strip() and not self._out[-1].endswith(b"\n\n"):
            self._out.pop()

    def _pass(self, line: bytes) -> None:
        """Hear one line; it goes on as it came."""
        if self._passes(line):
            self._out.append(line + b"\n")

    def _passes(self, line: bytes) -> bool:
        if not line.strip():
            is_hidden, self._is_hiding = self._is_hiding, False
            return not is_hidden
        if not line.startswith(_MARKS):
            raise ProviderFault("garbled", is_free=False, words="no stream of events")
        data = line.removeprefix(b"data:").strip()
        if line.startswith(b"data:"):
            self._is_done = self._is_done or data == b"[DONE]"
            self._is_hiding = data != b"[DONE]" and self._hear(data) and self.hides_usage
        return not self._is_hiding

    def _hear(self, data: bytes) -> bool:
        """Hear one event; say whether it tells usage and nothing else."""
        try:
            event = read_json(data)
            self._take(event)
        except _ODD as problem:
            raise garbled(problem) from problem
        return bool(event.get("usage")) and not event.get("choices")

    def _take(self, event: Json) -> None:
        self.ear.hear(event)
        if self.choices > 1:
            ended = (one for one in event.get("choices") or () if one.get("finish_reason"))
            self._finished.update(one.get("index") for one in ended)

    def end(self) -> bytes:
        """Return a last line that had no end; where all was said before, a broken one is no loss.

        Who was asked for several choices may give fewer: it ends with its bill.
        """
        try:
            rest = self.feed(b"\n") if self._rest else b""
        except ProviderFault:
            if not self.is_whole:
                raise
            rest = self.left()
        if not (self.is_whole or (self.ear.is_whole and self.said().usage is not None)):
            raise ProviderFault("cut", is_free=False, words="the stream ended early")
        return rest

    @property
    def is_whole(self) -> bool:
        """Whether the provider said that the answer is over: every choice of it, where there are several."""
        is_last = self.choices == 1 or self._is_done or len(self._finished) >= self.choices
        return is_last and self.ear.is_whole

    @property
    def written_bytes(self) -> int:
        """How much text was heard so far."""
        return self.ear.written_bytes

    def said(self) -> Said:
        """Return what was billed."""
        return _said(self.ear)


def _said(ear: Ear) -> Said:
    try:
        return ear.said()
    except _ODD as problem:
        raise garbled(problem) from problem


def garbled(problem: Exception) -> ProviderFault:
    """Return the fault of an answer that nobody could read."""
    return ProviderFault("garbled", is_free=False, words=type(problem).__name__)
