"""Ears for answers that are passed on untouched: all that money needs of them."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from agents.gateway.adapters.anthropic import AnthropicEar
from agents.gateway.adapters.openai import DEARER, OpenAIEar, bill_of, usage_of
from agents.gateway.errors import ProviderFault
from agents.gateway.ports import Ear, Said, StopReason, Usage
from agents.gateway.rules.answers import storable
from core.registry import Json

LIMITED = "rate_limit_exceeded"
"""The code of a response that failed because its maker asks to wait."""
_ENDS = ("response.completed", "response.incomplete", "response.failed")


@dataclass
class ResponsesEar:
    """Hears one stream of OpenAI responses; its last event holds the whole response."""

    _end: str = ""
    _usage: Usage | None = None
    _model: str = ""
    _lane: str = ""
    _stop: StopReason = "end"
    written_bytes: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether the provider said that the response is over."""
        return bool(self._end)

    def hear(self, event: Json, /) -> None:
        """Take in one event."""
        if event["type"] == "error":
            raise ProviderFault("server", is_free=False, words=str(event.get("message", "")))
        if event["type"] not in _ENDS:
            self.written_bytes += len(event.get("delta") or "") if event["type"].endswith(".delta") else 0
            return
        response = event["response"]
        self._model, self._lane, usage = (
            response["model"],
            response.get("service_tier"),
            response.get("usage"),
        )
        self._usage = usage_of(usage, read="input", written="output") if usage else None
        if event["type"] == "response.failed":
            error = response.get("error") or {}
            kind = "rate_limited" if error.get("code") == LIMITED else "server"
            raise ProviderFault(kind, is_free=False, words=str(error.get("message", "")))
        is_cut = (response.get("incomplete_details") or {}).get("reason") == "max_output_tokens"
        self._end, self._stop = event["type"], "length" if is_cut else "end"

    def said(self) -> Said:
        """Return what was billed; the words were passed on."""
        usage = bill_of(self._usage, self.written_bytes)
        return Said("", (), self._stop, usage, storable(self._model), is_dearer=self._lane in DEARER)


@dataclass
class OnceEar:
    """Hears one answer that is a single object: embeddings, or a count of tokens, which is free."""

    _said: Said | None = None
    written_bytes: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether the answer came."""
        return self._said is not None

    def hear(self, event: Json, /) -> None:
        """Take in the object."""
        if "input_tokens" in event:
            self._said = Said("", (), "end", Usage(prompt=0, completion=0), "")
            return
        usage = bill_of(usage_of(event["usage"]), self.written_bytes) if event.get("usage") else None
        self._said = Said("", (), "end", usage, storable(event.get("model") or ""))

    def said(self) -> Said:
        """Return what was billed."""
        return self._said or Said("", (), "end", None, "")


def ear_for(door: str) -> Ear:
    """Return an ear for what this door's own protocol answers."""
    match door:
        case "chat":
            return OpenAIEar()
        case "messages":
            return AnthropicEar()
        case "responses":
            return ResponsesEar()
    return OnceEar()


def whole_as_events(door: str, whole: Json) -> Iterator[Json]:
    """Yield the events in which a stream would have told this answer."""
    match door:
        case "chat":
            choices = [{**choice, "delta": choice.get("message") or {}} for choice in whole["choices"]]
            yield {**whole, "choices": choices}
        case "messages":
            yield {"type": "message_start", "message": whole}
            yield from _blocks_as_events(whole.get("content") or ())
            yield {"type": "message_delta", "delta": whole, "usage": whole.get("usage")}
            yield {"type": "message_stop"}
        case "responses":
            for item in whole.get("output") or ():
                for part in (item, *(item.get("content") or ())):
                    said = part.get("text") or part.get("arguments") or part.get("input")
                    yield {"type": "response.output.delta", "delta": said}
            kind = {"completed": "response.completed", "failed": "response.failed"}
            yield {"type": kind.get(whole["status"], "response.incomplete"), "response": whole}
        case _:
            yield whole


def _blocks_as_events(blocks: Iterable[Json]) -> Iterator[Json]:
    for index, block in enumerate(blocks):
        yield {"type": "content_block_start", "index": index, "content_block": block}
        written = {"partial_json": json.dumps(block["input"])} if block.get("input") else block
        yield {"type": "content_block_delta", "index": index, "delta": written}
