"""One Said written on either wire, whole or streamed, as the providers write it."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from . import tokens
from .wire import ANTHROPIC, OPENAI, Ask, Call, Json, Said

_STOP = {
    OPENAI: {"end": "stop", "calls": "tool_calls", "length": "length"},
    ANTHROPIC: {"end": "end_turn", "calls": "tool_use", "length": "max_tokens"},
}
_BORN = 1_767_225_600  # `created` must be there and must not be a clock
_PIECE_CHARS = 160


@dataclass(frozen=True)
class Reply:
    """The answer on the wire: `frames` joined are the body, each frame is sent by itself."""

    status: int
    content_type: str
    frames: tuple[bytes, ...]


@dataclass(frozen=True)
class Letter:
    """An answer on its way: `mark` is the hex that names it and its calls."""

    ask: Ask
    said: Said
    mark: str

    @property
    def stop(self) -> str:
        """Why it ends, in the provider's word."""
        return _STOP[self.ask.path][self.said.stop]

    @property
    def calls(self) -> tuple[Call, ...]:
        """The tool calls with their ids."""
        kind = "call" if self.ask.path == OPENAI else "toolu"
        return tuple(Call(f"{kind}_{self.mark}{n:02d}", *call) for n, call in enumerate(self.said.calls))

    @property
    def completion_tokens(self) -> int:
        """What the answer costs to write; never more than was allowed."""
        whole = tokens.count(self.said.text) + sum(tokens.of_call(*call) for call in self.said.calls)
        return min(whole, self.ask.max_tokens)


def count(ask: Ask) -> Reply:
    """How many tokens this request would be billed for reading."""
    return Reply(200, "application/json", (_bytes({"input_tokens": ask.prompt_tokens}),))


def refuse(path: str, reason: str) -> Reply:
    """The provider's own shape of a 400."""
    error = {"type": "invalid_request_error", "message": reason}
    if path.startswith(ANTHROPIC):
        return Reply(400, "application/json", (_bytes({"type": "error", "error": error}),))
    return Reply(400, "application/json", (_bytes({"error": {**error, "param": None, "code": None}}),))


def write(letter: Letter) -> Reply:
    """The letter as its protocol has it."""
    is_openai = letter.ask.path == OPENAI
    if letter.ask.is_stream:
        frames = (_stream_openai if is_openai else _stream_anthropic)(letter)
        return Reply(200, "text/event-stream", tuple(frames))
    data = (_whole_openai if is_openai else _whole_anthropic)(letter)
    return Reply(200, "application/json", (_bytes(data),))


def _bytes(data: Json) -> bytes:
    return json.dumps(data, ensure_ascii=False).encode("utf-8", "replace")


def _pieces(text: str) -> list[str]:
    return [text[i : i + _PIECE_CHARS] for i in range(0, len(text), _PIECE_CHARS)]


def _usage_openai(letter: Letter) -> Json:
    prompt, completion = letter.ask.prompt_tokens, letter.completion_tokens
    return {
        "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": 0},
    }  # fmt: skip


def _usage_anthropic(letter: Letter, *, completion: int) -> Json:
    cache = {"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
    return {"input_tokens": letter.ask.prompt_tokens, **cache, "output_tokens": completion}


def _tool_call(call: Call) -> Json:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _whole_openai(letter: Letter) -> Json:
    message: Json = {"role": "assistant", "content": letter.said.text or None, "refusal": None}
    if letter.calls:
        message["tool_calls"] = [_tool_call(c) for c in letter.calls]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": letter.stop}
    return {
        "id": f"chatcmpl-{letter.mark}", "object": "chat.completion", "created": _BORN, "model": letter.ask.model,
        "choices": [choice], "usage": _usage_openai(letter),
    }  # fmt: skip


def _stream_openai(letter: Letter) -> Iterator[bytes]:
    head = {"id": f"chatcmpl-{letter.mark}", "object": "chat.completion.chunk", "created": _BORN}

    def frame(choices: list[Json], usage: Json | None = None) -> bytes:
        asked = {"usage": usage} if letter.ask.wants_usage else {}
        return b"data: " + _bytes({**head, "model": letter.ask.model, "choices": choices, **asked}) + b"\n\n"

    def chunk(delta: Json, finish: str | None = None) -> bytes:
        return frame([{"index": 0, "delta": delta, "finish_reason": finish}])

    yield chunk({"role": "assistant", "content": ""})
    yield from (chunk({"content": piece}) for piece in _pieces(letter.said.text))
    for index, call in enumerate(letter.calls):
        yield chunk({"tool_calls": [{"index": index, **_tool_call(Call(call.id, call.name, ""))}]})
        for piece in _pieces(call.arguments):
            yield chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    yield chunk({}, letter.stop)
    if letter.ask.wants_usage:
        yield frame([], _usage_openai(letter))
    yield b"data: [DONE]\n\n"


def _whole_anthropic(letter: Letter) -> Json:
    text = [{"type": "text", "text": letter.said.text}] if letter.said.text else []
    calls = [
        {"type": "tool_use", "id": c.id, "name": c.name, "input": _object(c.arguments)} for c in letter.calls
    ]
    return {
        "id": f"msg_{letter.mark}", "type": "message", "role": "assistant", "model": letter.ask.model, "content": [*text, *calls],
        "stop_reason": letter.stop, "stop_sequence": None,
        "usage": _usage_anthropic(letter, completion=letter.completion_tokens),
    }  # fmt: skip


def _object(arguments: str) -> Json:
    """`input` must be an object on this wire: a cut call arrives as an empty one."""
    try:
        made: Json = json.loads(arguments)
    except ValueError:
        return {}
    return made


def _stream_anthropic(letter: Letter) -> Iterator[bytes]:
    def event(kind: str, **data: Any) -> bytes:
        return f"event: {kind}\ndata: ".encode() + _bytes({"type": kind, **data}) + b"\n\n"

    def block(index: int, start: Json, deltas: list[Json]) -> Iterator[bytes]:
        yield event("content_block_start", index=index, content_block=start)
        yield from (event("content_block_delta", index=index, delta=delta) for delta in deltas)
        yield event("content_block_stop", index=index)

    head = {**_whole_anthropic(Letter(letter.ask, Said(), letter.mark)), "stop_reason": None}
    yield event("message_start", message={**head, "usage": _usage_anthropic(letter, completion=1)})
    if text := letter.said.text:
        deltas: list[Json] = [{"type": "text_delta", "text": piece} for piece in _pieces(text)]
        yield from block(0, {"type": "text", "text": ""}, deltas)
    for index, call in enumerate(letter.calls, start=bool(text)):
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in _pieces(call.arguments)]
        yield from block(index, {"type": "tool_use", "id": call.id, "name": call.name, "input": {}}, deltas)
    end = {"stop_reason": letter.stop, "stop_sequence": None}
    yield event(
        "message_delta", delta=end, usage=_usage_anthropic(letter, completion=letter.completion_tokens)
    )
    yield event("message_stop")
