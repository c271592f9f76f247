"""A provider on loopback that checks every request as the real ones do, and answers or fails as it is told."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Json = dict[str, Any]
OPENAI, ANTHROPIC = "/v1/chat/completions", "/v1/messages"
COUNT = "/v1/messages/count_tokens"
KEYS = {"openai": "sk-test-openai-1234567890", "anthropic": "sk-ant-test-1234567890"}
USAGE = {"prompt": 1_000, "cached": 0, "written": 0, "completion": 100}


@dataclass(frozen=True)
class Play:
    """How one request is answered.

    Attributes:
        fault: empty, or a status (`429`), `silent`, `stalled`, `cut`, `garbled`, `no_usage`, `not_json`, `error_event`, `slammed`.
        usage: prompt (all of it), cached, written, completion; None: as `USAGE`.
        lane: the tier of service in which OpenAI answers; empty: it does not say.
    """

    text: str = "Hello."
    calls: tuple[tuple[str, str, str], ...] = ()
    stop: str = "end"
    fault: str = ""
    usage: Json = field(default_factory=dict)
    served: str = ""
    lane: str = ""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass
class Provider:
    """The running server: `plays` are used up one by one, then everything is answered; `seen` is what came."""

    url: str
    plays: list[Play] = field(default_factory=list)
    seen: list[tuple[str, Json, Json]] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)

    @property
    def models(self) -> list[str]:
        """The models that were asked, in order."""
        return [body["model"] for _, _, body in self.seen]


@contextmanager
def a_provider() -> Iterator[Provider]:
    """Serve both protocols on a free port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Door)
    server.daemon_threads = True
    provider = Provider(f"http://127.0.0.1:{server.server_address[1]}")
    server.provider = provider  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield provider
    finally:
        provider.release.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Door(BaseHTTPRequestHandler):
    """Answers one request."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        """Check what came, then play what was told."""
        provider: Provider = self.server.provider  # type: ignore[attr-defined]
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        if self.path == COUNT:
            self._whole(200, {"input_tokens": len(json.dumps(body)) + USAGE["prompt"]})
            return
        provider.seen.append((self.path, headers, body))
        if wrong := list(complaints(self.path, headers, body)):
            provider.complaints += wrong
            self._whole(400, {"error": {"message": "; ".join(wrong)}})
            return
        play = provider.plays.pop(0) if provider.plays else Play()
        self._play(provider, play, body)

    def _play(self, provider: Provider, play: Play, body: Json) -> None:
        if play.fault.isdigit():
            key = headers_key(self.path, dict(self.headers.items()))
            self._whole(int(play.fault), {"error": {"message": f"no: {key}"}}, headers=play.headers)
        elif play.fault == "silent":
            provider.release.wait(10)
        elif play.fault == "slammed":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        elif play.fault == "not_json":
            self._stream([b"<html>\n\n", b"data: {oops\n\n"])
        else:
            self._stream(frames(self.path, play, body), play=play, provider=provider)

    def _whole(self, status: int, data: Json, *, headers: tuple[tuple[str, str], ...] = ()) -> None:
        content = json.dumps(data).encode()
        self.send_response(status)
        for name, value in (("content-length", str(len(content))), *headers):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _stream(
        self, parts: list[bytes], *, play: Play | None = None, provider: Provider | None = None
    ) -> None:
        self.close_connection = True
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        half = len(parts) // 2
        for number, part in enumerate(parts):
            if play and play.fault in ("stalled", "cut", "garbled", "error_event") and number == half:
                if play.fault == "stalled" and provider:
                    provider.release.wait(10)
                if play.fault in ("stalled", "cut"):
                    return
                part = b"data: [1, 2]\n\n" if play.fault == "garbled" else self._error_event()
            self.wfile.write(part)
            self.wfile.flush()

    def _error_event(self) -> bytes:
        """It repeats the key, as some do."""
        key = headers_key(self.path, dict(self.headers.items()))
        return b"data: %s\n\n" % json.dumps({"type": "error", "error": {"message": f"no: {key}"}}).encode()


def headers_key(path: str, headers: Json) -> str:
    """Return the key that came with a request."""
    low = {name.lower(): value for name, value in headers.items()}
    return str(low.get("x-api-key") or low.get("authorization", "").removeprefix("Bearer "))


def complaints(path: str, headers: Json, body: Json) -> Iterator[str]:
    """Yield what a real provider would refuse in this request."""
    checks = {OPENAI: _openai_complaints, ANTHROPIC: _anthropic_complaints}
    if path not in checks:
        yield f"no such path {path}"
        return
    if headers.get("content-type") != "application/json":
        yield "content-type"
    if body.get("stream") is not True:
        yield "only streams are asked for here"
    yield from checks[path](headers, body)


def _openai_complaints(headers: Json, body: Json) -> Iterator[str]:
    known = {
        "model",
        "messages",
        "max_completion_tokens",
        "stream",
        "stream_options",
        "service_tier",
        "tools",
        "response_format",
    }
    roles = {"system", "user", "assistant", "tool"}
    shapes = [tool["function"].keys() for tool in body.get("tools", ()) if tool["type"] == "function"]
    yield from _wrong(
        {
            "authorization": headers.get("authorization") == f"Bearer {KEYS['openai']}",
            "a key of another provider": "x-api-key" not in headers,
            f"unknown fields {body.keys() - known}": body.keys() <= known,
            "usage must be asked for": body["stream_options"] == {"include_usage": True},
            "max_completion_tokens": body["max_completion_tokens"] >= 1,
            "the usual price": body["service_tier"] == "default",
            "roles": {message["role"] for message in body["messages"]} <= roles,
            "tool_call_id": all(m.get("tool_call_id") for m in body["messages"] if m["role"] == "tool"),
            "tools": shapes == [{"name", "description", "parameters"}] * len(body.get("tools", ())),
        }
    )
    if wanted := body.get("response_format"):
        shape = wanted["json_schema"]
        yield from _wrong({"strict": wanted["type"] == "json_schema" and shape["strict"] is True})
        yield from _loose(shape["schema"], banned={"minLength", "maxLength", "uniqueItems"})


def _anthropic_complaints(headers: Json, body: Json) -> Iterator[str]:
    known = {"model", "messages", "max_tokens", "stream", "system", "tools", "output_config"}
    blocks = [block for message in body["messages"] for block in message["content"]]
    shapes = [tool.keys() for tool in body.get("tools", ())]
    yield from _wrong(
        {
            "x-api-key": headers.get("x-api-key") == KEYS["anthropic"],
            "anthropic-version": headers.get("anthropic-version") == "2023-06-01",
            "a key of another provider": "authorization" not in headers,
            f"unknown fields {body.keys() - known}": body.keys() <= known,
            "max_tokens": body["max_tokens"] >= 1,
            "roles": {message["role"] for message in body["messages"]} <= {"user", "assistant"},
            "text must be non-empty": all(b["text"].strip() for b in blocks if b["type"] == "text"),
            "tools": shapes == [{"name", "description", "input_schema"}] * len(shapes),
        }
    )
    if wanted := body.get("output_config"):
        banned = {"minLength", "maxLength", "uniqueItems", "minimum", "maximum", "maxItems"}
        yield from _loose(wanted["format"]["schema"], banned=banned)


def _wrong(rules: dict[str, bool]) -> Iterator[str]:
    yield from (name for name, is_kept in rules.items() if not is_kept)


def _loose(schema: Any, *, banned: set[str]) -> Iterator[str]:
    """Yield what a strict mode refuses, anywhere in `schema`."""
    if isinstance(schema, list):
        for part in schema:
            yield from _loose(part, banned=banned)
    if not isinstance(schema, dict):
        return
    yield from (f"{word} is not supported" for word in banned & schema.keys())
    fields = schema.get("properties")
    if fields is not None:
        if schema.get("additionalProperties") is not False or set(schema.get("required", ())) != set(fields):
            yield "an open object"
        schema = {**{k: v for k, v in schema.items() if k != "properties"}, "_": list(fields.values())}
    for part in schema.values():
        yield from _loose(part, banned=banned)


def frames(path: str, play: Play, body: Json) -> list[bytes]:
    """Return the stream of an answer, frame by frame."""
    told = {**USAGE, **play.usage}
    served = play.served or body["model"]
    if path == OPENAI:
        return [b"data: " + json.dumps(d).encode() + b"\n\n" for d in _openai(play, told, served)] + [
            b"data: [DONE]\n\n"
        ]
    return [
        f"event: {d['type']}\ndata: ".encode() + json.dumps(d).encode() + b"\n\n"
        for d in _anthropic(play, told, served)
    ]


def _openai(play: Play, told: Json, served: str) -> Iterator[Json]:
    def chunk(delta: Json, finish: str | None = None) -> Json:
        return {
            "model": served,
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
            "usage": None,
            **({"service_tier": play.lane} if play.lane else {}),
        }

    yield chunk({"role": "assistant", "content": ""})
    yield from (chunk({"content": letter}) for letter in play.text)
    for index, (call_id, name, raw) in enumerate(play.calls):
        opening = {
            "index": index,
            "id": call_id,
            "type": "function",
            "function": {"name": name, "arguments": ""},
        }
        yield chunk({"tool_calls": [opening]})
        yield from (
            chunk({"tool_calls": [{"index": index, "function": {"arguments": raw[n : n + 5]}}]})
            for n in range(0, len(raw), 5)
        )
    yield chunk({}, {"end": "stop", "tools": "tool_calls", "length": "length"}[play.stop])
    if play.fault != "no_usage":
        usage = {
            "prompt_tokens": told["prompt"],
            "completion_tokens": told["completion"],
            "prompt_tokens_details": {"cached_tokens": told["cached"]},
            "completion_tokens_details": {"reasoning_tokens": 0},
        }
        yield {"model": served, "choices": [], "usage": usage}


def _anthropic(play: Play, told: Json, served: str) -> Iterator[Json]:
    fresh = told["prompt"] - told["cached"] - told["written"]
    opening: Json = {
        "input_tokens": fresh,
        "cache_read_input_tokens": told["cached"],
        "cache_creation_input_tokens": told["written"],
        "output_tokens": 1,
    }
    with_usage = {} if play.fault == "no_usage" else {"usage": opening}
    yield {"type": "message_start", "message": {"id": "msg_1", "model": served, "content": [], **with_usage}}
    yield {"type": "ping"}
    blocks: list[tuple[Json, str, str]] = (
        [({"type": "text", "text": ""}, "text", play.text)] if play.text else []
    )
    blocks += [
        ({"type": "tool_use", "id": call_id, "name": name, "input": {}}, "partial_json", raw)
        for call_id, name, raw in play.calls
    ]
    for index, (start, key, text) in enumerate(blocks):
        yield {"type": "content_block_start", "index": index, "content_block": start}
        for letter in text:
            yield {
                "type": "content_block_delta",
                "index": index,
                "delta": {"type": f"{key}_delta", key: letter},
            }
        yield {"type": "content_block_stop", "index": index}
    stop = {"end": "end_turn", "tools": "tool_use", "length": "max_tokens"}[play.stop]
    usage = {} if play.fault == "no_usage" else {"usage": {"output_tokens": told["completion"]}}
    yield {"type": "message_delta", "delta": {"stop_reason": stop}, **usage}
    yield {"type": "message_stop"}
