"""Started by path with one listening socket: OpenAI's protocol on our side, whatever LiteLLM speaks on the other.

`python -I serve.py FD`; stdin is a pipe that ends us. Posts go to `/PREFIX/ADDRESS/v1/chat/completions`: LiteLLM's name of the
provider, and its address in URL-safe base 64, or `-` for the one LiteLLM knows. The key comes with each call and is kept nowhere.
Nothing is tried twice here: who asks decides that.
"""

import asyncio
import base64
import json
import os
import socket
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import uvicorn

Message = dict[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
_UNSURE = {"APIConnectionError": 502, "Timeout": 504, "APIResponseValidationError": 502}
"""The provider may have answered, and billed, what never reached us: a status that does not say 'free'."""
_ready = threading.Event()


async def app(scope: Message, receive: Receive, send: Send) -> None:
    """Answer one request."""
    body, has_more = b"", True
    while has_more:
        message = await receive()
        body, has_more = body + message.get("body", b""), message.get("more_body", False)
    if scope["path"] == "/ready":
        await _say(send, 200 if _ready.is_set() else 503, {})
        return
    headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
    try:
        verb, asked = _read(scope["path"], body, key=headers.get("authorization", "").removeprefix("Bearer "))
    except (ValueError, KeyError, TypeError):
        await _say(send, 400, {"error": {"message": "invalid request"}})
        return
    await _answer(send, verb, asked)


def _read(path: str, body: bytes, *, key: str) -> tuple[str, dict[str, Any]]:
    """Return LiteLLM's verb and what to give it."""
    _, prefix, address, *rest = path.split("/")
    verb = {"v1/chat/completions": "acompletion", "v1/embeddings": "aembedding"}["/".join(rest)]
    asked = json.loads(body)
    asked |= {
        "model": f"{prefix}/{asked['model']}",
        "api_key": key or "none",
        "num_retries": 0,
        "max_retries": 0,
        "timeout": 900,
    }
    if address != "-":
        asked["api_base"] = base64.urlsafe_b64decode(address).decode()
    return verb, asked


async def _answer(send: Send, verb: str, asked: dict[str, Any]) -> None:
    import litellm  # noqa: PLC0415  it was loaded before anybody was let in

    try:
        found = await getattr(litellm, verb)(**asked)
        if not asked.get("stream"):
            await _say(send, 200, found.model_dump(mode="json"))
            return
        stream = aiter(found)
        first = await anext(stream)
    except Exception as problem:  # noqa: BLE001  every provider has errors of its own: all become an answer
        await _refuse(send, problem)
        return
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]}
    )
    await _frame(send, first.model_dump_json())
    await _rest(send, stream)


async def _rest(send: Send, stream: AsyncIterator[Any]) -> None:
    try:
        async for chunk in stream:
            await _frame(send, chunk.model_dump_json())
        await _frame(send, "[DONE]")
    except Exception as problem:  # noqa: BLE001  the stream has begun: its end is told inside it
        await _frame(send, json.dumps({"error": {"message": _words(problem)}}))
    await send({"type": "http.response.body", "body": b""})


async def _frame(send: Send, data: str) -> None:
    await send({"type": "http.response.body", "body": f"data: {data}\n\n".encode(), "more_body": True})


async def _refuse(send: Send, problem: Exception) -> None:
    kind = type(problem).__name__
    status = _UNSURE.get(kind) or int(getattr(problem, "status_code", None) or 502)
    response = getattr(problem, "response", None)
    wait = (getattr(response, "headers", None) or {}).get("retry-after", "")
    await _say(
        send,
        status if 400 <= status < 600 else 502,
        {"error": {"message": _words(problem), "type": kind}},
        wait=wait,
    )


def _words(problem: Exception) -> str:
    return str(problem)[:600]


async def _say(send: Send, status: int, data: dict[str, Any], *, wait: str = "") -> None:
    content = json.dumps(data).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    if wait:
        headers.append((b"retry-after", wait.encode("latin-1", "replace")))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def _load() -> None:
    """Import LiteLLM, which takes seconds, while the door already listens."""
    import litellm  # noqa: PLC0415  only here, only in this process

    litellm.telemetry = False
    litellm.suppress_debug_info = True
    litellm.num_retries = 0
    litellm.drop_params = False
    _ready.set()


def _end_with_parent() -> None:
    """Block until the last writer of our stdin is gone, however it went."""
    while os.read(0, 1024):
        pass
    os._exit(0)


async def _main() -> None:
    config = uvicorn.Config(
        app, http="h11", ws="none", lifespan="off", loop="asyncio", log_config=None, access_log=False, server_header=False, date_header=False,
        timeout_keep_alive=60,
    )  # fmt: skip
    await uvicorn.Server(config).serve(sockets=[socket.socket(fileno=int(sys.argv[1]))])


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    threading.Thread(target=_load, daemon=True).start()
    asyncio.run(_main())
