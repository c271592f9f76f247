"""The models' door as an ASGI application of its own: no cookie opens it, so nothing that reads cookies runs before it."""

import asyncio
from typing import Any

from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest

PREFIX = "/v1/"


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
        """Answer one request; a client that goes ends its view."""
        try:
            body = await self.read_body(receive)
        except RequestAborted:
            return
        with body:
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
