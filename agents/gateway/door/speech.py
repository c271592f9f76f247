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
        """Return what was billed."""


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
        return Stream(ear, hides_usage=self.protocol.name == "chat" and not asked)


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

    def end(self) -> bytes:
        """Return the answer as it came."""
        try:
            for event in whole_as_events(self.door, json.loads(self._got)):
                self.ear.hear(event)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as problem:
            raise ProviderFault("garbled", is_free=False, words=type(problem).__name__) from problem
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
        return self.ear.said()


@dataclass
class Stream:
    """Server-sent events, passed on line by line as they came; a usage that was not asked for stays here."""

    ear: Ear
    hides_usage: bool = False
    _rest: bytes = b""
    _is_hiding: bool = False

    def feed(self, chunk: bytes, /) -> bytes:
        """Hear every whole line and pass it on."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > _LINE_LIMIT:
            raise ProviderFault("garbled", is_free=False, words="endless line")
        return b"".join([line + b"\n" for line in lines if self._passes(line)])

    def _passes(self, line: bytes) -> bool:
        if not line.strip():
            is_hidden, self._is_hiding = self._is_hiding, False
            return not is_hidden
        if not line.startswith(_MARKS):
            raise ProviderFault("garbled", is_free=False, words="no stream of events")
        data = line.removeprefix(b"data:").strip()
        if line.startswith(b"data:") and data != b"[DONE]":
            self._is_hiding = self._hear(data) and self.hides_usage
        return not self._is_hiding

    def _hear(self, data: bytes) -> bool:
        """Hear one event; say whether it tells usage and nothing else."""
        try:
            event = read_json(data)
            self._take(event)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as problem:
            raise ProviderFault("garbled", is_free=False, words=type(problem).__name__) from problem
        return bool(event.get("usage")) and not event.get("choices")

    def _take(self, event: Json) -> None:
        self.ear.hear(event)

    def end(self) -> bytes:
        """Return a last line that had no end."""
        rest = self.feed(b"\n") if self._rest else b""
        if not self.ear.is_whole:
            raise ProviderFault("cut", is_free=False, words="the stream ended early")
        return rest

    @property
    def is_whole(self) -> bool:
        """Whether the provider said that the answer is over."""
        return self.ear.is_whole

    @property
    def written_bytes(self) -> int:
        """How much text was heard so far."""
        return self.ear.written_bytes

    def said(self) -> Said:
        """Return what was billed."""
        return self.ear.said()
