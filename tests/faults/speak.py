"""Answers in the words of each protocol, whole or as the frames of a stream."""

import json
from collections.abc import Iterator
from typing import Any

from tests.faults.play import Play
from tests.faults.tally import Tokens

Json = dict[str, Any]
CHAT, RESPONSES, MESSAGES, COUNT, EMBEDDINGS = (
    "/chat/completions", "/responses", "/messages", "/messages/count_tokens", "/embeddings",
)  # fmt: skip
PATHS = (COUNT, CHAT, RESPONSES, MESSAGES, EMBEDDINGS)
_FINISH = {"end": "stop", "tools": "tool_calls", "length": "length"}
_STOP = {"end": "end_turn", "tools": "tool_use", "length": "max_tokens"}
_WORDS = {
    400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error",
    529: "overloaded_error",
}  # fmt: skip


def error(path: str, status: int, words: str) -> Json:
    """Return an error as the provider of `path` words it."""
    kind = _WORDS.get(status, "api_error")
    if path.startswith(MESSAGES):
        return {"type": "error", "error": {"type": kind, "message": words}}
    return {"error": {"message": words, "type": kind, "code": None, "param": None}}


def whole(path: str, play: Play, *, model: str, tokens: Tokens) -> Json:
    """Return the answer as one object."""
    served, stop = play.served or model, "length" if play.fills else play.stop
    usage = told_usage(path, play, tokens)
    told = {"usage": usage} if usage is not None else {}
    if path == EMBEDDINGS:
        vector = {"object": "embedding", "index": 0, "embedding": [0.0, 1.0]}
        return {"object": "list", "model": served, "data": [vector], **told}
    if path == MESSAGES:
        return {
            "id": "msg_1", "type": "message", "role": "assistant", "model": served, "content": _blocks(play), "stop_reason": _STOP[stop],
            "stop_sequence": None, **told,
        }  # fmt: skip
    if path == RESPONSES:
        return _response(play, served=served, stop=stop, told=told)
    message: Json = {"role": "assistant", "content": play.text or None}
    if play.calls:
        message["tool_calls"] = [_tool_call(*call) for call in play.calls]
    choice = {"index": 0, "message": message, "finish_reason": _FINISH[stop]}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": served,
        "choices": [choice],
        **told,
    }


def frames(path: str, play: Play, *, model: str, tokens: Tokens, wants_usage: bool) -> list[bytes]:
    """Return the answer as the frames of a stream."""
    served, stop = play.served or model, "length" if play.fills else play.stop
    usage = told_usage(path, play, tokens)
    if path == MESSAGES:
        return [_event(data) for data in _message_events(play, served=served, stop=stop, usage=usage)]
    if path == RESPONSES:
        return [_event(data) for data in _response_events(play, served=served, stop=stop, usage=usage)]
    chunks = _chat_chunks(play, served=served, stop=stop, usage=usage if wants_usage else None)
    return [*(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks), b"data: [DONE]\n\n"]


def told_usage(path: str, play: Play, tokens: Tokens) -> Json | None:
    """Return the usage as this protocol tells it, honest or not; None: it is not told."""
    if play.tells == "nothing":
        return None
    lies = {"prompt": -5, "completion": -1} if play.tells == "nonsense" else {}
    lies |= play.tells if isinstance(play.tells, dict) else {}
    use = Tokens(**{**tokens.__dict__, **lies})
    if path == MESSAGES:
        return _messages_usage(use)
    details = {"cached_tokens": use.cached}
    if path == RESPONSES:
        return {
            "input_tokens": use.prompt, "input_tokens_details": details, "output_tokens": use.completion,
            "output_tokens_details": {"reasoning_tokens": use.reasoning}, "total_tokens": use.prompt + use.completion,
        }  # fmt: skip
    if path == EMBEDDINGS:
        return {"prompt_tokens": use.prompt, "total_tokens": use.prompt}
    return {
        "prompt_tokens": use.prompt, "completion_tokens": use.completion, "total_tokens": use.prompt + use.completion,
        "prompt_tokens_details": details, "completion_tokens_details": {"reasoning_tokens": use.reasoning},
    }  # fmt: skip


def _messages_usage(use: Tokens) -> Json:
    written = use.cache_write + use.cache_write_1h
    return {
        "input_tokens": use.prompt - use.cached - written,
        "cache_read_input_tokens": use.cached,
        "cache_creation_input_tokens": written,
        "cache_creation": {
            "ephemeral_5m_input_tokens": use.cache_write,
            "ephemeral_1h_input_tokens": use.cache_write_1h,
        },
        "output_tokens": use.completion,
    }


def pieces(play: Play) -> list[str]:
    """Return the text in the pieces in which it streams."""
    words = play.text.split(" ")
    if not play.chunks:
        return [word if n == 0 else f" {word}" for n, word in enumerate(words) if word or n]
    return [play.text or "x"] * play.chunks if len(play.text) < play.chunks else _cut(play.text, play.chunks)


def _cut(text: str, count: int) -> list[str]:
    size = -(-len(text) // count)
    return [text[at : at + size] for at in range(0, len(text), size)]


def _event(data: Json) -> bytes:
    return f"event: {data['type']}\ndata: ".encode() + json.dumps(data).encode() + b"\n\n"


def _tool_call(call_id: str, name: str, arguments: str) -> Json:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def _blocks(play: Play) -> list[Json]:
    said: list[Json] = [{"type": "text", "text": play.text}] if play.text else []
    return said + [
        {"type": "tool_use", "id": call_id, "name": name, "input": json.loads(raw)}
        for call_id, name, raw in play.calls
    ]


def _chat_chunks(play: Play, *, served: str, stop: str, usage: Json | None) -> Iterator[Json]:
    def chunk(delta: Json, finish: str | None = None) -> Json:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": served,
            "choices": [choice],
        }

    yield chunk({"role": "assistant", "content": ""})
    yield from (chunk({"content": piece}) for piece in pieces(play))
    for index, (call_id, name, raw) in enumerate(play.calls):
        yield chunk({"tool_calls": [{"index": index, **_tool_call(call_id, name, "")}]})
        for at in range(0, len(raw), 8):
            yield chunk({"tool_calls": [{"index": index, "function": {"arguments": raw[at : at + 8]}}]})
    yield chunk({}, _FINISH[stop])
    if usage is not None:
        yield {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": served,
            "choices": [],
            "usage": usage,
        }


def _message_events(play: Play, *, served: str, stop: str, usage: Json | None) -> Iterator[Json]:
    opening = {"usage": {**usage, "output_tokens": 1}} if usage else {}
    yield {
        "type": "message_start",
        "message": {"id": "msg_1", "type": "message", "role": "assistant", "model": served, "content": [], "stop_reason": None, **opening},
    }  # fmt: skip
    yield {"type": "ping"}
    index = 0
    if play.text:
        yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
        for piece in pieces(play):
            yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}
        yield {"type": "content_block_stop", "index": 0}
        index = 1
    for place, (call_id, name, raw) in enumerate(play.calls, start=index):
        block = {"type": "tool_use", "id": call_id, "name": name, "input": {}}
        yield {"type": "content_block_start", "index": place, "content_block": block}
        for at in range(0, len(raw), 8):
            delta = {"type": "input_json_delta", "partial_json": raw[at : at + 8]}
            yield {"type": "content_block_delta", "index": place, "delta": delta}
        yield {"type": "content_block_stop", "index": place}
    ending = {"usage": {"output_tokens": usage["output_tokens"]}} if usage else {}
    yield {"type": "message_delta", "delta": {"stop_reason": _STOP[stop], "stop_sequence": None}, **ending}
    yield {"type": "message_stop"}


def _response(play: Play, *, served: str, stop: str, told: Json) -> Json:
    cut = {"incomplete_details": {"reason": "max_output_tokens"}} if stop == "length" else {}
    return {
        "id": "resp_1", "object": "response", "created_at": 1, "model": served, "status": "incomplete" if cut else "completed",
        "output": _items(play), "parallel_tool_calls": True, "tool_choice": "auto", "tools": [], **cut, **told,
    }  # fmt: skip


def _items(play: Play) -> list[Json]:
    part = {"type": "output_text", "text": play.text, "annotations": []}
    message = {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": [part],
    }
    calls = [
        {
            "type": "function_call",
            "id": f"fc_{call_id}",
            "call_id": call_id,
            "name": name,
            "arguments": raw,
            "status": "completed",
        }
        for call_id, name, raw in play.calls
    ]
    return [*([message] if play.text else []), *calls]


def _response_events(play: Play, *, served: str, stop: str, usage: Json | None) -> Iterator[Json]:
    final = _response(play, served=served, stop=stop, told={"usage": usage} if usage else {})
    number = iter(range(1_000_000))
    start = {**final, "status": "in_progress", "output": []}
    start.pop("usage", None)
    yield {"type": "response.created", "sequence_number": next(number), "response": start}
    for place, item in enumerate(final["output"]):
        at = {"output_index": place}
        yield {
            "type": "response.output_item.added",
            "sequence_number": next(number),
            **at,
            "item": {**item, "status": "in_progress"},
        }
        if item["type"] == "message":
            for piece in pieces(play):
                yield {
                    "type": "response.output_text.delta", "sequence_number": next(number), **at, "item_id": item["id"], "content_index": 0,
                    "delta": piece, "logprobs": [],
                }  # fmt: skip
        else:
            delta = {"item_id": item["id"], "delta": item["arguments"]}
            yield {
                "type": "response.function_call_arguments.delta",
                "sequence_number": next(number),
                **at,
                **delta,
            }
        yield {"type": "response.output_item.done", "sequence_number": next(number), **at, "item": item}
    kind = "response.incomplete" if stop == "length" else "response.completed"
    yield {"type": kind, "sequence_number": next(number), "response": final}
