"""An answer that came in one protocol, told in another: piece by piece, or whole."""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from typing import Protocol as Port

from agents.gateway.ports import Said, ToolCall, Usage
from core.ids import new_id
from core.registry import Json


@dataclass(frozen=True)
class Piece:
    """Words, or a tool call that begins (`name`) or goes on; `place` tells the calls apart."""

    text: str = ""
    place: int = -1
    call_id: str = ""
    name: str = ""


def openai_pieces(event: Json) -> Iterator[Piece]:
    """Yield what a chunk of a chat adds."""
    for choice in event.get("choices") or ():
        delta = choice.get("delta") or {}
        if text := delta.get("content") or delta.get("refusal"):
            yield Piece(text)
        for call in delta.get("tool_calls") or ():
            shape = call.get("function") or {}
            yield Piece(
                shape.get("arguments") or "", call["index"], call.get("id") or "", shape.get("name") or ""
            )


def anthropic_pieces(event: Json) -> Iterator[Piece]:
    """Yield what an event of a message adds."""
    block, delta = event.get("content_block") or {}, event.get("delta") or {}
    if block.get("type") == "tool_use":
        yield Piece(place=event["index"], call_id=block["id"], name=block["name"])
    elif delta.get("type") == "input_json_delta":
        yield Piece(delta["partial_json"], event["index"])
    elif delta.get("type") == "text_delta":
        yield Piece(delta["text"])


class Tongue(Port):
    """Tells one answer in one protocol."""

    def say(self, piece: Piece, /) -> bytes:
        """Return the events that tell this piece."""

    def end(self, said: Said, /) -> bytes:
        """Return the events that end the answer."""

    def whole(self, said: Said, /) -> bytes:
        """Return the answer in one object."""


def _event(data: Json, *, name: str = "") -> bytes:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n".encode()


def _whole(data: Json) -> bytes:
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass
class ChatTongue:
    """OpenAI chat completions."""

    model: str
    tells_usage: bool
    _id: str = field(default_factory=lambda: f"chatcmpl-{new_id().hex}")
    _made: int = field(default_factory=lambda: int(time.time()))
    _calls: dict[int, int] = field(default_factory=dict)
    _has_begun: bool = False

    def say(self, piece: Piece, /) -> bytes:
        """Return the chunk of this piece."""
        if piece.place < 0:
            return self._chunk({"content": piece.text})
        is_new = piece.place not in self._calls
        call: Json = {"index": self._calls.setdefault(piece.place, len(self._calls))}
        if is_new:
            call |= {"id": piece.call_id, "type": "function"}
        function = {"name": piece.name, "arguments": piece.text} if is_new else {"arguments": piece.text}
        return self._chunk({"tool_calls": [{**call, "function": function}]})

    def _chunk(self, delta: Json, *, finish: str | None = None) -> bytes:
        head = {} if self._has_begun else {"role": "assistant", "content": None}
        self._has_begun = True
        return _event(
            self._about({"choices": [{"index": 0, "delta": {**head, **delta}, "finish_reason": finish}]})
        )

    def _about(self, more: Json, *, kind: str = "chat.completion.chunk") -> Json:
        return {"id": self._id, "object": kind, "created": self._made, "model": self.model, **more}

    def end(self, said: Said, /) -> bytes:
        """Return why it ended, then usage where it is wanted."""
        last = self._chunk({}, finish=_CHAT_STOPS[said.stop])
        usage = (
            _event(self._about({"choices": [], "usage": _openai_usage(said.usage)}))
            if self.tells_usage
            else b""
        )
        return last + usage + b"data: [DONE]\n\n"

    def whole(self, said: Said, /) -> bytes:
        """Return a chat completion."""
        calls = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.raw}}
            for call in said.tool_calls
        ]
        message = {
            "role": "assistant",
            "content": said.text or None,
            **({"tool_calls": calls} if calls else {}),
        }
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _CHAT_STOPS[said.stop]}
        more = {"choices": [choice], "usage": _openai_usage(said.usage)}
        return _whole(self._about(more, kind="chat.completion"))


_CHAT_STOPS = {"end": "stop", "tools": "tool_calls", "length": "length"}


def _openai_usage(usage: Usage | None) -> Json | None:
    if usage is None:
        return None
    return {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.prompt + usage.completion,
        "prompt_tokens_details": {"cached_tokens": usage.cached},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning or 0},
    }


@dataclass
class MessagesTongue:
    """Anthropic messages; one block is open at a time."""

    model: str
    _id: str = field(default_factory=lambda: f"msg_{new_id().hex}")
    _blocks: int = 0
    _open: int | None = None
    _has_begun: bool = False

    def say(self, piece: Piece, /) -> bytes:
        """Return the events of this piece: another block where it belongs to one."""
        opening = b""
        if self._open != piece.place or piece.name:
            block: Json = {"type": "text", "text": ""}
            if piece.place >= 0:
                block = {"type": "tool_use", "id": piece.call_id, "name": piece.name, "input": {}}
            opening = self._close() + self._begin() + self._told("content_block_start", content_block=block)
            self._open = piece.place
        kind, key = ("text_delta", "text") if piece.place < 0 else ("input_json_delta", "partial_json")
        delta = {"type": kind, key: piece.text}
        return opening + (self._told("content_block_delta", delta=delta) if piece.text else b"")

    def _begin(self) -> bytes:
        if self._has_begun:
            return b""
        self._has_begun = True
        usage = {"input_tokens": 0, "output_tokens": 0}
        message = self._message([], stop=None, usage=usage)
        return _event({"type": "message_start", "message": message}, name="message_start")

    def _told(self, kind: str, **more: Any) -> bytes:
        return _event({"type": kind, "index": self._blocks, **more}, name=kind)

    def _close(self) -> bytes:
        if self._open is None:
            return b""
        told, self._open = self._told("content_block_stop"), None
        self._blocks += 1
        return told

    def end(self, said: Said, /) -> bytes:
        """Return why it ended and what it used."""
        delta = {"stop_reason": _MESSAGE_STOPS[said.stop], "stop_sequence": None}
        last = {"type": "message_delta", "delta": delta, "usage": _anthropic_usage(said.usage)}
        over = _event({"type": "message_stop"}, name="message_stop")
        return self._begin() + self._close() + _event(last, name="message_delta") + over

    def whole(self, said: Said, /) -> bytes:
        """Return a message."""
        blocks: list[Json] = [{"type": "text", "text": said.text}] if said.text or not said.tool_calls else []
        blocks += [
            {"type": "tool_use", "id": call.id, "name": call.name, "input": _input(call)}
            for call in said.tool_calls
        ]
        stop = _MESSAGE_STOPS[said.stop]
        return _whole(self._message(blocks, stop=stop, usage=_anthropic_usage(said.usage)))

    def _message(self, blocks: list[Json], *, stop: str | None, usage: Json) -> Json:
        return {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": blocks,
            "stop_reason": stop,
            "stop_sequence": None,
            "usage": usage,
        }


_MESSAGE_STOPS = {"end": "end_turn", "tools": "tool_use", "length": "max_tokens"}


def _input(call: ToolCall) -> Json:
    """The arguments as an object; what is none is shown as it is, so that the tool refuses it."""
    return call.arguments if call.arguments is not None else {"invalid_json": call.raw}


def _anthropic_usage(usage: Usage | None) -> Json:
    if usage is None:
        return {"input_tokens": 0, "output_tokens": 0}
    return {
        "input_tokens": usage.prompt - usage.cached - usage.cache_write,
        "cache_read_input_tokens": usage.cached,
        "cache_creation_input_tokens": usage.cache_write,
        "output_tokens": usage.completion,
    }


@dataclass
class ResponsesTongue:
    """OpenAI responses; one item is open at a time, and a call keeps the namespace of its tool."""

    model: str
    spaces: Mapping[str, tuple[str, str]]
    _id: str = field(default_factory=lambda: f"resp_{new_id().hex}")
    _made: int = field(default_factory=lambda: int(time.time()))
    _n: int = 0
    _items: list[Json] = field(default_factory=list)
    _open: int | None = None
    _has_begun: bool = False

    def say(self, piece: Piece, /) -> bytes:
        """Return the events of this piece: another item where it belongs to one."""
        opening = b""
        if self._open != piece.place or piece.name:
            opening = self._close() + self._begin() + self._open_item(piece)
        if not piece.text:
            return opening
        item, at = self._items[-1], self._at()
        if piece.place < 0:
            item["content"][0]["text"] += piece.text
            return opening + self._told(
                "response.output_text.delta", **at, content_index=0, delta=piece.text, logprobs=[]
            )
        item["arguments"] += piece.text
        return opening + self._told("response.function_call_arguments.delta", **at, delta=piece.text)

    def _open_item(self, piece: Piece) -> bytes:
        item = self._text_item("") if piece.place < 0 else self._call_item(piece.call_id, piece.name, "")
        self._items.append({**item, "status": "in_progress"})
        self._open = piece.place
        bare = {**item, "status": "in_progress", **({"content": []} if piece.place < 0 else {})}
        added = self._told("response.output_item.added", output_index=len(self._items) - 1, item=bare)
        if piece.place >= 0:
            return added
        part = {"type": "output_text", "text": "", "annotations": []}
        return added + self._told("response.content_part.added", **self._at(), content_index=0, part=part)

    def _close(self) -> bytes:
        if self._open is None:
            return b""
        item, at = self._items[-1], self._at()
        item["status"], self._open = "completed", None
        if item["type"] == "message":
            part = item["content"][0]
            told = self._told(
                "response.output_text.done", **at, content_index=0, text=part["text"], logprobs=[]
            )
            told += self._told("response.content_part.done", **at, content_index=0, part=part)
        else:
            told = self._told(
                "response.function_call_arguments.done", **at, arguments=item["arguments"], name=item["name"]
            )
        return told + self._told("response.output_item.done", output_index=at["output_index"], item=item)

    def _begin(self) -> bytes:
        if self._has_begun:
            return b""
        self._has_begun = True
        response = self._response([], status="in_progress")
        return self._told("response.created", response=response) + self._told(
            "response.in_progress", response=response
        )

    def end(self, said: Said, /) -> bytes:
        """Return the end of the last item, then the whole response."""
        head = self._begin() + self._close()
        return head + self._told(f"response.{_status(said)}", response=self._ended(self._items, said))

    def whole(self, said: Said, /) -> bytes:
        """Return a response."""
        items = [self._text_item(said.text)] if said.text or not said.tool_calls else []
        items += [self._call_item(call.id, call.name, call.raw) for call in said.tool_calls]
        return _whole(self._ended(items, said))

    def _at(self) -> Json:
        return {"item_id": self._items[-1]["id"], "output_index": len(self._items) - 1}

    def _told(self, kind: str, **more: Any) -> bytes:
        told = _event({"type": kind, "sequence_number": self._n, **more}, name=kind)
        self._n += 1
        return told

    def _text_item(self, text: str) -> Json:
        part = {"type": "output_text", "text": text, "annotations": []}
        return {
            "type": "message",
            "id": f"msg_{new_id().hex}",
            "role": "assistant",
            "status": "completed",
            "content": [part],
        }

    def _call_item(self, call_id: str, name: str, raw: str) -> Json:
        space, bare = self.spaces.get(name, ("", name))
        named = {"name": bare, **({"namespace": space} if space else {})}
        return {
            "type": "function_call",
            "id": f"fc_{new_id().hex}",
            "call_id": call_id,
            **named,
            "arguments": raw,
            "status": "completed",
        }

    def _ended(self, items: list[Json], said: Said) -> Json:
        usage, why = said.usage, {"reason": "max_output_tokens"} if said.stop == "length" else None
        told = {
            "input_tokens": usage.prompt,
            "input_tokens_details": {"cached_tokens": usage.cached},
            "output_tokens": usage.completion,
            "output_tokens_details": {"reasoning_tokens": usage.reasoning or 0},
            "total_tokens": usage.prompt + usage.completion,
        } if usage else None  # fmt: skip
        return {**self._response(items, status=_status(said)), "usage": told, "incomplete_details": why}

    def _response(self, items: list[Json], *, status: str) -> Json:
        about = {"id": self._id, "created_at": self._made, "status": status, "output": items}
        return {**new_response(self.model), **about}


def new_response(model: str) -> Json:
    """Return a response of `model` that says nothing yet."""
    return {
        "id": f"resp_{new_id().hex}",
        "object": "response",
        "created_at": int(time.time()),
        "status": "in_progress",
        "model": model,
        "output": [],
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": None,
    }


def _status(said: Said) -> str:
    return "incomplete" if said.stop == "length" else "completed"
