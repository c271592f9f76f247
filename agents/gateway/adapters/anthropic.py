"""Anthropic messages: what is sent, and how the stream is heard."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

from agents.gateway.adapters.openai import NO_COUNTS, bill_of, tool_call
from agents.gateway.errors import ProviderFault
from agents.gateway.ports import Ask, Message, Said, StopReason, ToolCall, Usage
from agents.gateway.rules.answers import ANTHROPIC_DROPS, storable, wire_schema
from core.registry import Json, Tool

VERSION = "2023-06-01"
_STOPS: dict[str, StopReason] = {
    "tool_use": "tools",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
}
_NOTHING = "(nothing)"  # an empty text block is refused
_KEEP: Final = {"cache_control": {"type": "ephemeral"}}
_LEAST_KEPT: Final = 8_000
"""So many letters are surely more than the 1,024 tokens below which nothing is kept. Source: Anthropic's page on prompt caching."""


class AnthropicWire:
    """The protocol of `/v1/messages`."""

    path = "/v1/messages"
    count_path = "/v1/messages/count_tokens"

    def headers(self, key: str, /) -> dict[str, str]:
        """Return what authorises the call."""
        return {"x-api-key": key, "anthropic-version": VERSION}

    def write(self, ask: Ask, *, model: str, max_tokens: int) -> Json:
        """Return the body of the request; results of tools travel together in one message of the user."""
        groups = groupby(ask.messages, key=lambda message: message.role == "tool")
        body: Json = {
            "model": model,
            "max_tokens": max_tokens,
            "messages": [
                made for is_tool, group in groups for made in _messages(tuple(group), is_tool=is_tool)
            ],
            "stream": True,
        }
        if ask.system:
            body["system"] = ask.system
        if ask.tools:
            body["tools"] = [_tool(tool) for tool in ask.tools]
        if ask.answer_schema is not None:
            shape = wire_schema(ask.answer_schema, drops=ANTHROPIC_DROPS)
            body["output_config"] = {"format": {"type": "json_schema", "schema": shape}}
        if ask.tools and _letters(ask) >= _LEAST_KEPT:
            _keep(body)
        return body

    def listen(self) -> "AnthropicEar":
        """Return an ear for one answer."""
        return AnthropicEar()


def _letters(ask: Ask) -> int:
    said = sum(len(one.text) + sum(len(call.raw) for call in one.tool_calls) for one in ask.messages)
    return len(ask.system) + said


def _keep(body: Json) -> None:
    """Ask to keep what the next turn of a loop of tools reads again: what never changes, and all that was said. Source: R-02.19.

    The end of the turn before is marked too: it was kept under that mark, and is found again however much came since.
    """
    if str(body.get("system", "")).strip():
        body["system"] = [{"type": "text", "text": body["system"], **_KEEP}]
    else:
        body["tools"][-1] |= _KEEP
    heard = [message for message in body["messages"] if message["role"] == "user"]
    for message in heard[-2:]:
        message["content"][-1] |= _KEEP


def _messages(group: Sequence[Message], *, is_tool: bool) -> list[Json]:
    if is_tool:
        return [{"role": "user", "content": [_result(message) for message in group]}]
    return [{"role": message.role, "content": _blocks(message)} for message in group]


def _result(message: Message) -> Json:
    return {
        "type": "tool_result",
        "tool_use_id": message.tool_call_id,
        "content": message.text or _NOTHING,
        "is_error": message.is_error,
    }


def _blocks(message: Message) -> list[Json]:
    calls: list[Json] = [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": call.arguments or {}}
        for call in message.tool_calls
    ]
    if message.text.strip() or not calls:
        return [{"type": "text", "text": (message.text.strip() and message.text) or _NOTHING}, *calls]
    return calls


def _tool(tool: Tool) -> Json:
    return {"name": tool.name, "description": tool.description, "input_schema": dict(tool.schema)}


@dataclass
class _Block:
    kind: str
    id: str = ""
    name: str = ""
    parts: list[str] = field(default_factory=list)


@dataclass
class AnthropicEar:
    """Hears one stream of events."""

    _blocks: dict[int, _Block] = field(default_factory=dict)
    _usage: dict[str, Any] = field(default_factory=dict)
    _stop: str = ""
    _model: str = ""
    _is_over: bool = False
    written_bytes: int = 0
    """How much text was heard so far."""

    @property
    def is_whole(self) -> bool:
        """Whether the message was ended by the provider."""
        return self._is_over

    def hear(self, event: Json, /) -> None:
        """Take in one event; kinds that are new to us say nothing."""
        match event["type"]:
            case "message_start":
                self._model = event["message"]["model"]
                self._hear_usage(event["message"].get("usage"))
                self._usage.pop("output_tokens", None)  # nothing is written yet: only the end knows
            case "content_block_start":
                block = event["content_block"]
                self._blocks[event["index"]] = _Block(
                    block["type"], block.get("id", ""), block.get("name", "")
                )
            case "content_block_delta":
                self._hear_delta(event["index"], event["delta"])
            case "message_delta":
                self._stop = event["delta"].get("stop_reason") or self._stop
                self._hear_usage(event.get("usage"))
            case "message_stop":
                self._is_over = True
            case "error":
                raise ProviderFault("server", is_free=False, words=event["error"].get("message", ""))

    def _hear_usage(self, told: Any) -> None:
        """Take in a piece of the bill; what it leaves open stands as it was told before."""
        if isinstance(told, dict):
            self._usage |= {name: count for name, count in told.items() if count is not None}

    def _hear_delta(self, index: int, delta: Json) -> None:
        part = delta.get("text") or delta.get("partial_json")
        self.written_bytes += len(part or delta.get("thinking") or "")
        if part:
            self._blocks[index].parts.append(part)

    def said(self) -> Said:
        """Return the answer."""
        blocks = [block for _, block in sorted(self._blocks.items())]
        text = "".join("".join(block.parts) for block in blocks if block.kind == "text")
        calls = tuple(_call(block) for block in blocks if block.kind == "tool_use")
        stop = _STOPS.get(self._stop, "end")
        usage = bill_of(_usage(self._usage), self.written_bytes)
        return Said(storable(text), calls, stop, usage, storable(self._model))


def _usage(told: Json) -> Usage | None:
    """Return the bill; fresh, read from the cache and written to it are told apart on this wire. None: it is none."""
    cached, written = told.get("cache_read_input_tokens") or 0, told.get("cache_creation_input_tokens") or 0
    terms = told.get("cache_creation") or {}
    try:
        return Usage(
            prompt=told["input_tokens"] + cached + written,
            completion=told["output_tokens"],
            cached=cached,
            cache_write=written,
            cache_write_1h=terms.get("ephemeral_1h_input_tokens") or 0,
            searches=(told.get("server_tool_use") or {}).get("web_search_requests") or 0,
        )
    except NO_COUNTS:
        return None


def _call(block: _Block) -> ToolCall:
    return tool_call(block.id, block.name, "".join(block.parts))
