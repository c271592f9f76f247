"""The server: HTTP/1.1 by hand, so that it can also break off in the middle of a word."""

import asyncio
import json
import os
import socket
import struct
import sys
import threading
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from tests.faults import speak
from tests.faults.play import Play, read_play
from tests.faults.tally import Tally, count_prompt, true_tokens

Json = dict[str, Any]
_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}


@dataclass(frozen=True)
class Request:
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def key(self) -> str:
        """The key it brought."""
        return self.headers.get("x-api-key") or self.headers.get("authorization", "").removeprefix("Bearer ")


@dataclass(frozen=True)
class Line:
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        """Send at once."""
        self.writer.write(data)
        await self.writer.drain()

    async def gone(self) -> None:
        """Say nothing until the other side goes."""
        await self.reader.read(1)

    def break_off(self) -> None:
        """Close with a reset, as a crashed machine does."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@dataclass
class Provider:
    """What it was told to do, and what it did."""

    plays: list[Play] = field(default_factory=list)
    always: Play = field(default_factory=Play)
    keys: list[str] = field(default_factory=list)
    models: list[str] = field(
        default_factory=lambda: ["gpt-5-mini", "gpt-5.2", "claude-haiku-4-5", "claude-sonnet-4-5"]
    )
    tally: Tally = field(default_factory=Tally)
    open_now: int = 0
    most_open: int = 0

    def setup(self, told: Json) -> None:
        """Follow new orders; what is not named stays."""
        self.plays += [read_play(play) for play in told.get("plays", ())]
        if "always" in told:
            self.always = read_play(told["always"])
        self.keys = told.get("keys", self.keys)
        self.models = told.get("models", self.models)
        self.tally.prices |= told.get("prices", {})

    def next_play(self, request: Request, *, model: str) -> Play:
        """Take the first play that is meant for this request."""
        facts: Json = {"model": model, "path": request.path, "key": request.key, "body": request.body}
        for place, play in enumerate(self.plays):
            if play.fits(**facts):
                if play.times is not None:
                    self.plays[place : place + 1] = (
                        [replace(play, times=play.times - 1)] if play.times > 1 else []
                    )
                return play
        return self.always


class Door:
    """Answers on one connection after another."""

    def __init__(self, provider: Provider) -> None:
        self.provider = provider

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer request after request until the other side, or a play, ends it."""
        line = Line(reader, writer)
        try:
            while (request := await _read(reader)) is not None:
                if not await self._answer(request, line):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, request: Request, line: Line) -> bool:
        """Answer one request and say whether the connection lives on."""
        if request.path.startswith("/_"):
            return await _whole(line, 200, self._order(request))
        if request.method == "GET" and request.path.endswith("/models"):
            return await self._list_models(request, line)
        path = next((path for path in speak.PATHS if request.path.endswith(path)), "")
        try:
            asked = json.loads(request.body)
            if not path or not isinstance(asked["model"], str):
                raise ValueError
        except (ValueError, KeyError, TypeError):
            return await _whole(line, 404 if not path else 400, speak.error(path, 400, "invalid request"))
        if path == speak.COUNT:
            return await self._count(request, asked, line)
        return await self._play(request, path, asked, line)

    def _order(self, request: Request) -> Json:
        provider = self.provider
        match request.path:
            case "/_setup":
                provider.setup(json.loads(request.body))
            case "/_reset":
                self.provider.__init__()  # type: ignore[misc]
            case "/_calls":
                return {"calls": [asdict(record) for record in provider.tally.records]}
            case "/_bodies":
                return {"bodies": provider.tally.bodies}
        return {**provider.tally.totals(), "open_now": provider.open_now, "most_open": provider.most_open}

    async def _list_models(self, request: Request, line: Line) -> bool:
        is_anthropic = "anthropic-version" in request.headers
        meant = any("path" in play.where for play in self.provider.plays)
        play = self.provider.next_play(request, model="") if meant else self.provider.always
        if not self._knows(request.key) or play.status != 200:
            status = play.status if play.status != 200 else 401
            path = speak.MESSAGES if is_anthropic else speak.CHAT
            return await _whole(line, status, speak.error(path, status, "invalid x-api-key"))
        if is_anthropic:
            rows: list[Json] = [
                {"type": "model", "id": m, "display_name": m, "created_at": "2025-01-01T00:00:00Z"}
                for m in self.provider.models
            ]
            return await _whole(
                line, 200, {"data": rows, "has_more": False, "first_id": None, "last_id": None}
            )
        rows = [{"id": m, "object": "model", "created": 1, "owned_by": "test"} for m in self.provider.models]
        return await _whole(line, 200, {"object": "list", "data": rows})

    async def _count(self, request: Request, asked: Json, line: Line) -> bool:
        meant = [play for play in self.provider.plays if "count" in str(play.where.get("path", ""))]
        play = self.provider.next_play(request, model=asked["model"]) if meant else Play()
        self.provider.tally.counted += 1
        await asyncio.sleep(play.delay_s)
        if play.status != 200 or play.fault:
            return await _whole(line, play.status, speak.error(speak.COUNT, play.status, "told to"))
        return await _whole(line, 200, {"input_tokens": count_prompt(asked)})

    def _knows(self, key: str) -> bool:
        return not self.provider.keys or key in self.provider.keys

    async def _play(self, request: Request, path: str, asked: Json, line: Line) -> bool:
        provider, model = self.provider, asked["model"]
        play = provider.next_play(request, model=model)
        if not self._knows(request.key):
            play = Play(status=401)
        tokens = true_tokens(play, asked)
        provider.tally.count(play, path=path, model=model, key=request.key, body=request.body, tokens=tokens)
        provider.open_now += 1
        provider.most_open = max(provider.most_open, provider.open_now)
        try:
            await asyncio.sleep(play.delay_s)
            if play.status != 200:
                after = {"retry-after": play.retry_after} if play.retry_after else {}
                return await _whole(
                    line, play.status, speak.error(path, play.status, f"told to: {play.status}"), after
                )
            if play.fault in ("silence", "slam", "html"):
                return await _no_answer(play, line)
            if not asked.get("stream"):
                return await _one_object(play, speak.whole(path, play, model=model, tokens=tokens), line)
            wants = bool((asked.get("stream_options") or {}).get("include_usage"))
            parts = speak.frames(path, play, model=model, tokens=tokens, wants_usage=wants)
            return await _stream(play, parts, line)
        finally:
            provider.open_now -= 1


async def _read(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.strip().split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {
        name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
    }
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method, path.partition("?")[0], headers, body)


def _head(status: int, headers: dict[str, str]) -> bytes:
    lines = [
        f"HTTP/1.1 {status} {_REASONS.get(status, 'Told To')}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def _whole(line: Line, status: int, data: Json, headers: dict[str, str] | None = None) -> bool:
    content = json.dumps(data).encode()
    size = {"content-type": "application/json", "content-length": str(len(content))}
    await line.send(_head(status, {**size, **(headers or {})}) + content)
    return True


async def _no_answer(play: Play, line: Line) -> bool:
    if play.fault == "silence":
        await line.gone()
    if play.fault == "html":
        content = b"<html>Bad gateway</html>"
        await line.send(
            _head(200, {"content-type": "text/html", "content-length": str(len(content))}) + content
        )
        return True
    line.break_off()
    return False


async def _one_object(play: Play, data: Json, line: Line) -> bool:
    if not play.fault:
        return await _whole(line, 200, data)
    content = json.dumps(data).encode()
    half = content[: len(content) // 2]
    size = len(half) if play.fault in ("malformed", "error_event") else len(content)
    await line.send(_head(200, {"content-type": "application/json", "content-length": str(size)}) + half)
    return await _end_badly(play, line)


async def _stream(play: Play, parts: list[bytes], line: Line) -> bool:
    await line.send(_head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"}))
    for number, part in enumerate(parts):
        if play.fault and number == max(1, len(parts) // 2):
            return await _end_badly(play, line, is_chunked=True)
        line.writer.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
        if play.chunk_s:
            await line.writer.drain()
            await asyncio.sleep(play.chunk_s)
    await line.send(b"0\r\n\r\n")
    return True


async def _end_badly(play: Play, line: Line, *, is_chunked: bool = False) -> bool:
    match play.fault:
        case "stall":
            await line.gone()
        case "reset":
            line.break_off()
            return False
    if not is_chunked:
        return play.fault in ("malformed", "error_event")
    error = json.dumps({"type": "error", "error": {"type": "overloaded_error", "message": play.text}})
    last = {
        "malformed": b"data: {oops\n\n",
        "error_event": f"event: error\ndata: {error}\n\n".encode(),
    }.get(play.fault, b"")
    if last:
        await line.send(f"{len(last):x}\r\n".encode() + last + b"\r\n")
    await line.send(b"0\r\n\r\n")
    return True


async def serve(port: int = 0) -> None:
    """Serve until cancelled; the first line on stdout tells the address."""
    door = Door(Provider())
    server = await asyncio.start_server(door.serve, "127.0.0.1", port, backlog=1_024, limit=64_000_000)
    address = server.sockets[0].getsockname()
    sys.stdout.write(json.dumps({"url": f"http://127.0.0.1:{address[1]}"}) + "\n")
    sys.stdout.flush()
    async with server:
        await server.serve_forever()


def end_with_parent() -> None:
    """Go when the last holder of our stdin is gone, however it went."""
    threading.Thread(target=_wait_for_end, daemon=True).start()


def _wait_for_end() -> None:
    while os.read(0, 1_024):
        pass
    os._exit(0)
