"""The models' door as an ASGI application of its own: no cookie opens it, so nothing that reads cookies runs before it."""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from io import BytesIO
from typing import Any

from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest

from agents.gateway.door.answers import LARGE_BYTES, Answered, answered, why_not_large
from agents.gateway.door.body import LIMIT_BYTES
from agents.gateway.door.protocols import DOORS, Protocol
from core.errors import FactoryError

PREFIX = "/v1/"
_PAID = {protocol.path: protocol for protocol in DOORS}


class DoorHandler(ASGIHandler):
    """Answers with the views of the URL table, whose rows have threads of their own.

    So it opens no thread and no connection for a request, which Django does for views that touch rows by themselves.
    """

    def load_middleware(self, is_async: bool = False) -> None:  # noqa: FBT001, FBT002 (the library's own signature)
        """Let a request go straight to its view."""
        self._view_middleware: list[Any] = []
        self._template_response_middleware: list[Any] = []
        self._exception_middleware: list[Any] = []
        self._middleware_chain: Any = convert_exception_to_response(
            self._get_response_async  # type: ignore[attr-defined]
        )

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request: a paid door at once, the rest by the URL table."""
        protocol = _PAID.get(scope["path"]) if scope["method"] == "POST" else None
        if protocol is None:
            await self._by_table(scope, receive, send)
        else:
            await _pay(protocol, scope, receive, send)

    async def _by_table(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer with a view, none of which reads a body; a client that goes ends it."""
        if not await _passed_over(receive):
            return
        with BytesIO() as body:
            request, refusal = self.create_request(scope, body)
            if request is None:
                await self.send_response(refusal, send)  # type: ignore[arg-type]
                return
            answer = asyncio.create_task(self._answer(request, send))
            gone = asyncio.create_task(self._until_gone(receive))
            await asyncio.wait([answer, gone], return_when=asyncio.FIRST_COMPLETED)
            for task in (gone, answer):
                task.cancel()
            await asyncio.gather(answer, gone, return_exceptions=True)
            request.close()
        if answer.done() and not answer.cancelled():
            answer.result()

    async def _answer(self, request: HttpRequest, send: Any) -> None:
        await self.send_response(await self.run_get_response(request), send)

    async def _until_gone(self, receive: Any) -> None:
        await receive()


async def _pay(protocol: Protocol, scope: Any, receive: Any, send: Any) -> None:
    """Answer at one paid door; a client that goes ends its call."""
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    raw = await _body(receive, headers)
    if raw is None:
        return
    leaving = _Leaving(receive)
    try:
        await _send(await answered(protocol, raw, headers), send)
    except asyncio.CancelledError:
        if not leaving.is_gone:
            raise
    finally:
        leaving.forget()


class _Leaving:
    """Ends the task that made it when the client goes."""

    def __init__(self, receive: Any) -> None:
        self._mine, self.is_gone, self._is_over = asyncio.current_task(), False, False
        self._gone = asyncio.ensure_future(receive())
        self._gone.add_done_callback(self._end)

    def _end(self, _: Any) -> None:
        if self._mine is not None and not self._is_over:
            self.is_gone = True
            self._mine.cancel()

    def forget(self) -> None:
        """It may go: the answer is out."""
        self._is_over = True
        self._gone.cancel()


async def _body(receive: Any, headers: Mapping[str, str]) -> bytes | FactoryError | None:
    """Return the body, and no more of it than shows that it is too large, or why a large one is not kept.

    None: the client went.
    """
    parts, size, refusal = [], 0, None
    while (message := await receive())["type"] == "http.request":
        part = message.get("body", b"")
        is_small, size = size <= LARGE_BYTES, size + len(part)
        if is_small and size > LARGE_BYTES:
            refusal = await why_not_large(headers)
        if refusal is None and size - len(part) <= LIMIT_BYTES:
            parts.append(part)
        if not message.get("more_body"):
            return refusal or b"".join(parts)
    return None


async def _passed_over(receive: Any) -> bool:
    """Let a body pass by that nobody reads; say whether the client is still there."""
    while (message := await receive())["type"] == "http.request":
        if not message.get("more_body"):
            return True
    return False


async def _send(said: Answered, send: Any) -> None:
    told = [(name.encode(), value.encode("latin-1")) for name, value in said.headers.items()]
    if isinstance(said.body, bytes):
        told.append((b"content-length", str(len(said.body)).encode()))
        await send({"type": "http.response.start", "status": said.status, "headers": told})
        await send({"type": "http.response.body", "body": said.body})
        return
    async with aclosing(said.body) as parts:  # type: ignore[type-var]
        await send({"type": "http.response.start", "status": said.status, "headers": told})
        async for part in parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
