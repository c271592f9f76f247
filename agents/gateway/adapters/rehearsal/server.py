"""The door: an ASGI app on a socket that it was handed; once it has answered, it opens nothing more."""

import functools
import os
import socket
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn

from .answer import answer
from .dice import Seed

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
_SHUT = {
    "open", "import", "exec_module", "ctypes.dlopen", "socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname",
    "subprocess.Popen", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.listdir", "os.scandir", "sqlite3.connect",
}  # fmt: skip


def app(seed: Seed) -> Callable[[Message, Receive, Send], Awaitable[None]]:
    """The ASGI app that answers under `seed`."""

    async def serve(scope: Message, receive: Receive, send: Send) -> None:
        shut_doors()
        body, has_more = b"", True
        while has_more:
            message = await receive()
            body, has_more = body + message.get("body", b""), message.get("more_body", False)
        reply = answer(scope["path"], body, seed=seed)
        headers = [(b"content-type", reply.content_type.encode())]
        if reply.content_type == "application/json":
            headers.append((b"content-length", str(sum(map(len, reply.frames))).encode()))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        for frame in reply.frames:
            await send({"type": "http.response.body", "body": frame, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return serve


def main() -> None:
    """Serve on the socket named by the second argument until stdin, held by the parent, ends."""
    config = uvicorn.Config(
        app(Seed.read(sys.argv[1])), http="h11", ws="none", lifespan="off", loop="asyncio", log_config=None, access_log=False,
        server_header=False, date_header=False, timeout_keep_alive=60,
    )  # fmt: skip
    threading.Thread(target=_end_with_parent, daemon=True).start()
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[2]))])


def _end_with_parent() -> None:
    """Block until the last writer of our stdin is gone, however it went; nothing here is worth saving."""
    while os.read(0, 1024):
        pass
    os._exit(0)


@functools.cache
def shut_doors() -> None:
    """From now on this process opens, imports and starts nothing: a slip is an error, not a leak."""
    sys.addaudithook(_refuse)


def _refuse(event: str, given: tuple[Any, ...]) -> None:
    if event in _SHUT and not (event == "import" and given[0] in sys.modules):
        raise PermissionError(event)


if __name__ == "__main__":
    main()
