"""Started by path with one listening socket: OpenAI's protocol on our side, whatever LiteLLM speaks on the other.

`python -I serve.py FD`; stdin is a pipe that ends us. Posts go to `/PREFIX/ADDRESS/v1/chat/completions`: LiteLLM's name of the
provider, and its address in URL-safe base 64, or `-` for the one LiteLLM knows. The key comes with each call and is kept nowhere.
Nothing is tried twice here: who asks decides that.

LiteLLM is asked for whole answers alone, and a stream is made of them here: over its own streams it counts tokens that nobody
billed, forgets who served, and takes a broken end for a good one. While it waits, an empty chunk says that somebody is there.
"""

import asyncio
import base64
import json
import os
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import uvicorn

Message = dict[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
_PATIENCE_S = 20.0
"""So long a refusal may take and still be told by its own status."""
_BEAT_S = 5.0
_UNSURE = 502
"""The provider may have answered, and billed, what never reached us."""
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
    is_stream = bool(asked.pop("stream", False))
    asked.pop("stream_options", None)
    answer = asyncio.create_task(_ask(verb, asked))
    gone = asyncio.ensure_future(receive())  # the next message can only be that the other side has left
    try:
        await (_stream(send, answer, gone) if is_stream else _whole(send, answer))
    finally:
        answer.cancel()
        gone.cancel()


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
        "_skip_mcp_handler": True,
    }
    if address != "-":
        asked["api_base"] = base64.urlsafe_b64decode(address).decode()
    return verb, asked


async def _ask(verb: str, asked: dict[str, Any]) -> dict[str, Any]:
    import litellm  # noqa: PLC0415  it was loaded before anybody was let in

    found = await getattr(litellm, verb)(**asked)
    return dict(found.model_dump(mode="json", exclude_none=True))


async def _whole(send: Send, answer: "asyncio.Task[dict[str, Any]]") -> None:
    try:
        await _say(send, 200, _billed(await answer))
    except Exception as problem:  # noqa: BLE001  every provider has errors of its own: all become an answer
        await _refuse(send, problem)


async def _stream(
    send: Send, answer: "asyncio.Task[dict[str, Any]]", gone: "asyncio.Future[Message]"
) -> None:
    """Tell the answer as a stream; one that takes long is begun before it is known."""
    await asyncio.wait({answer, gone}, timeout=_PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
    if answer.done() and (problem := answer.exception()) is not None:
        await _refuse(send, problem)
        return
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]}
    )
    while not (answer.done() or gone.done()):
        await _frame(send, json.dumps({"choices": []}))
        await asyncio.wait({answer, gone}, timeout=_BEAT_S, return_when=asyncio.FIRST_COMPLETED)
    if answer.done():
        late = answer.exception()
        for data in [{"error": {"message": _words(late)}}] if late else _chunks(answer.result()):
            await _frame(send, json.dumps(data))
        await _frame(send, "[DONE]")
    await send({"type": "http.response.body", "body": b""})


def _chunks(whole: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a whole answer as the chunks of a stream."""
    frame = {"id": whole.get("id"), "object": "chat.completion.chunk", "model": whole.get("model")}
    for choice in whole["choices"]:
        message = choice["message"]
        calls = [{**call, "index": n} for n, call in enumerate(message.get("tool_calls") or ())]
        delta = {**message, **({"tool_calls": calls} if calls else {})}
        end = {"index": choice.get("index", 0), "delta": delta, "finish_reason": choice.get("finish_reason")}
        yield {**frame, "choices": [end]}
    if usage := _billed(whole).get("usage"):
        yield {**frame, "choices": [], "usage": usage}


def _billed(whole: dict[str, Any]) -> dict[str, Any]:
    """Return the answer without a bill where it is not one: LiteLLM writes zeros where nobody said anything."""
    usage = whole.get("usage") or {}
    return (
        whole
        if usage.get("total_tokens")
        else {name: part for name, part in whole.items() if name != "usage"}
    )


async def _frame(send: Send, data: str) -> None:
    await send({"type": "http.response.body", "body": f"data: {data}\n\n".encode(), "more_body": True})


async def _refuse(send: Send, problem: BaseException) -> None:
    headers = getattr(problem, "litellm_response_headers", None) or {}
    data = {"error": {"message": _words(problem), "type": type(problem).__name__}}
    await _say(send, _status(problem), data, wait=str(headers.get("retry-after", "")))


def _status(problem: BaseException) -> int:
    """Return what the provider itself answered; 503: it was never reached; else nobody knows what happened there."""
    cause: BaseException | None = problem
    while cause is not None:
        if type(cause).__name__ in ("HTTPStatusError", "MaskedHTTPStatusError", "APIStatusError"):
            return int(getattr(getattr(cause, "response", None), "status_code", _UNSURE))
        if type(cause).__name__ in ("ConnectError", "ConnectTimeout"):
            return 503
        cause = cause.__cause__ or cause.__context__
    stated = getattr(problem, "status_code", None)
    return stated if type(stated) is int and 400 <= stated < 500 and stated != 408 else _UNSURE


def _words(problem: BaseException) -> str:
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
    from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler  # noqa: PLC0415

    AsyncHTTPHandler.single_connection_post_request = _never_again
    litellm.telemetry = False
    litellm.suppress_debug_info = True
    litellm.num_retries = 0
    litellm.disable_aiohttp_transport = True  # that one sends again what broke
    litellm.drop_params = False
    _ready.set()


async def _never_again(*given: object, **named: object) -> None:
    """Stand in for LiteLLM's own second try after a broken connection: what broke may have been billed."""
    raise  # it is called where the first error is being handled


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
