"""OpenAI chat completions: what is sent, and how the stream is heard."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from agents.gateway.errors import ProviderFault
from agents.gateway.ports import Ask, Message, Said, StopReason, ToolCall, Usage
from agents.gateway.rules.answers import OPENAI_DROPS, read_value, schema_name, storable, wire_schema
from core.registry import Json, Tool

NO_COUNTS = (KeyError, TypeError, AttributeError)
"""What it raises to read a bill that holds something else than counts."""
DEARER = ("priority", "fast")
"""Tiers of service that cost more than the price in our table; a project may ask for one by default."""
_STOPS: dict[str, StopReason] = {"stop": "end", "tool_calls": "tools", "length": "length"}


@dataclass(frozen=True)
class OpenAIWire:
    """The protocol of `/v1/chat/completions`.

    Attributes:
        room: how the provider calls the limit of an answer; who does not know the newer word may ignore it.
        tier: at whose price it serves, else it is its account's, which may be dearer; empty: it knows no tiers.
    """

    room: str = "max_completion_tokens"
    tier: str = ""
    path: str = "/v1/chat/completions"
    count_path: str = ""

    def headers(self, key: str, /) -> dict[str, str]:
        """Return what authorises the call."""
        return {"Authorization": f"Bearer {key}"} if key else {}

    def write(self, ask: Ask, *, model: str, max_tokens: int) -> Json:
        """Return the body of the request; usage is asked for, else no stream would tell it."""
        system = [{"role": "system", "content": ask.system}] if ask.system else []
        body: Json = {
            "model": model,
            "messages": system + [_message(message) for message in ask.messages],
            self.room: max_tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if self.tier:
            body["service_tier"] = self.tier
        if ask.tools:
            body["tools"] = [_tool(tool) for tool in ask.tools]
        if ask.answer_schema is not None:
            body["response_format"] = _format(ask.answer_schema)
        return body

    def listen(self) -> "OpenAIEar":
        """Return an ear for one answer."""
        return OpenAIEar()


def _message(message: Message) -> Json:
    if message.role == "tool":
        text = f"error: {message.text}" if message.is_error else message.text
        return {"role": "tool", "tool_call_id": message.tool_call_id, "content": text}
    if not message.tool_calls:
        return {"role": message.role, "content": message.text}
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.raw or "{}"}}
        for call in message.tool_calls
    ]
    return {"role": "assistant", "content": message.text or None, "tool_calls": calls}


def _tool(tool: Tool) -> Json:
    shape = {"name": tool.name, "description": tool.description, "parameters": dict(tool.schema)}
    return {"type": "function", "function": shape}


def _format(schema: Json) -> Json:
    shape = wire_schema(schema, drops=OPENAI_DROPS)
    return {
        "type": "json_schema",
        "json_schema": {"name": schema_name(schema), "schema": shape, "strict": True},
    }


@dataclass
class _Call:
    id: str
    name: str
    raw: str = ""


@dataclass
class OpenAIEar:
    """Hears one stream of chunks."""

    _text: list[str] = field(default_factory=list)
    _calls: dict[int, _Call] = field(default_factory=dict)
    _finish: str = ""
    _usage: Usage | None = None
    _model: str = ""
    _lane: str = ""
    written_bytes: int = 0
    """How much text was heard so far."""

    @property
    def is_whole(self) -> bool:
        """Whether the provider gave a reason for the end."""
        return bool(self._finish)

    def hear(self, event: Json, /) -> None:
        """Take in one chunk."""
        if error := event.get("error"):
            raise ProviderFault("server", is_free=False, words=str(error.get("message", "")))
        self._model = event.get("model") or self._model
        self._lane = event.get("service_tier") or self._lane
        if usage := event.get("usage"):
            self._usage = usage_of(usage)
        for choice in event.get("choices") or ():
            if delta := choice.get("delta"):
                self._hear_delta(delta)
            self._finish = choice.get("finish_reason") or self._finish

    def _hear_delta(self, delta: Json) -> None:
        """Take in what a chunk adds; what came in a shape of its own is put right, for whoever tells it in other words."""
        for name, said in delta.items():
            if not said:
                continue
            if name in ("content", "refusal"):
                delta[name] = self._hear_text(said)
            elif name == "reasoning_content":
                self.written_bytes += _length(said)
            elif name == "tool_calls":
                self._hear_calls(said)

    def _hear_text(self, said: str | Sequence[Any]) -> str:
        """Return the words, which may come as a list of parts; thoughts among them were written, but not said."""
        self.written_bytes += _length(said)
        text = said if isinstance(said, str) else "".join(_text(part) for part in said)
        self._text.append(text)
        return text

    def _hear_calls(self, pieces: Sequence[Json]) -> None:
        for piece in pieces:
            shape = piece.get("function") or {}
            piece["index"] = place = self._place_of(piece, is_named=bool(shape.get("name")))
            call = self._calls.setdefault(place, _Call(piece.get("id") or "", shape.get("name") or ""))
            raw = shape.get("arguments") or ""
            if not isinstance(raw, str):
                shape["arguments"] = raw = json.dumps(raw)
            call.raw += raw
            self.written_bytes += len(raw)

    def _place_of(self, piece: Json, *, is_named: bool) -> int:
        """Return which call this is a piece of; where no index is told, its id says so, or its name begins another."""
        if (index := piece.get("index")) is not None:
            return int(index)
        call_id, last = piece.get("id"), max(self._calls, default=-1)
        known = [place for place, call in self._calls.items() if call_id and call.id == call_id]
        if known:
            return known[0]
        return last + 1 if is_named or call_id or last < 0 else last

    def said(self) -> Said:
        """Return the answer."""
        calls = tuple(tool_call(call.id, call.name, call.raw) for _, call in sorted(self._calls.items()))
        text, stop = storable("".join(self._text)), _STOPS.get(self._finish, "end")
        if calls and self._finish == "stop":  # as some call it
            stop = "tools"
        usage = bill_of(self._usage, self.written_bytes)
        return Said(text, calls, stop, usage, storable(self._model), is_dearer=self._lane in DEARER)


def _text(part: Any) -> str:
    text = part.get("text") if isinstance(part, dict) else part
    return text if isinstance(text, str) else ""


def _length(part: Any) -> int:
    """Return how much text there is in a part of an answer."""
    if isinstance(part, dict):
        return _length(part.get("text")) + _length(part.get("thinking"))
    if isinstance(part, list):
        return sum(map(_length, part))
    return len(part) if isinstance(part, str) else 0


def tool_call(call_id: str, name: str, raw: str) -> ToolCall:
    """Return the call of a tool as it was heard."""
    raw = storable(raw)
    return ToolCall(storable(call_id), storable(name), arguments_of(raw), raw)


def arguments_of(raw: str) -> Json | None:
    """Return the object that `raw` holds, or None: it is not readable as one."""
    try:
        found = read_value(raw or "{}")
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def bill_of(usage: Usage | None, written_bytes: int) -> Usage | None:
    """Return the usage, if it can be the bill of an answer of so much text."""
    return usage if usage is not None and usage.is_bill_of(written_bytes) else None


def usage_of(told: Json, *, read: str = "prompt", written: str = "completion") -> Usage | None:
    """Return the bill, in the words of one door; None: it holds something else than counts."""
    try:
        return _usage(told, read=read, written=written)
    except NO_COUNTS:
        return None


def _usage(told: Json, *, read: str, written: str) -> Usage:
    """Read the bill; reasoning that is told apart, or only seen in the total, was written too."""
    prompt = told.get(f"{read}_tokens_details") or {}
    completion = told.get(f"{written}_tokens_details") or {}
    asked, said = told[f"{read}_tokens"], told.get(f"{written}_tokens") or 0
    reasoning = completion.get("reasoning_tokens")
    said = max(said, (told.get("total_tokens") or 0) - asked)
    return Usage(
        prompt=asked,
        completion=said,
        cached=prompt.get("cached_tokens") or told.get("prompt_cache_hit_tokens") or 0,
        cache_write=prompt.get("cache_write_tokens") or prompt.get("cache_creation_tokens") or 0,
        reasoning=reasoning if reasoning is None else min(reasoning, said),
    )
