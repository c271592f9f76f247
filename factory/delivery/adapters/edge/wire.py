"""One HTTP request over a unix socket, small enough to trust: for health questions and for Caddy's admin door."""

import asyncio
import socket
import sys
from dataclasses import dataclass

ANSWER_BYTES = 1 << 22


@dataclass(frozen=True)
class Answer:
    """What came back, and the pid of the process that opened the listening socket."""

    status: int
    body: bytes
    peer: int


async def ask(path: str, target: str, *, method: str = "GET", body: bytes = b"", within_s: float) -> Answer:
    """The answer to one request.

    Raises:
        OSError: nobody listens (TimeoutError is one: no whole answer in time).
        ValueError: what came back is not HTTP.
    """
    async with asyncio.timeout(within_s):
        up, down = await asyncio.open_unix_connection(path)
        try:
            peer = down.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
            head = f"{method} {target} HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            down.write(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
            raw = bytearray()
            while (piece := await up.read(1 << 16)) and len(raw) < ANSWER_BYTES:
                raw += piece
        finally:
            down.close()
    return parse(bytes(raw), peer=int.from_bytes(peer[:4], sys.byteorder))


def parse(raw: bytes, *, peer: int) -> Answer:
    """Status and body of a whole answer."""
    head, _, body = raw.partition(b"\r\n\r\n")
    words = head.split(b"\r\n", 1)[0].split(b" ", 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
        raise ValueError("no HTTP answer")
    if b"\r\ntransfer-encoding: chunked" in head.lower():
        body = _unchunk(body)
    return Answer(status=int(words[1]), body=body, peer=peer)


def _unchunk(body: bytes) -> bytes:
    """Some servers send chunks even to an HTTP/1.0 question."""
    whole = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        length = int(size.split(b";")[0], 16)
        if not length:
            break
        whole, body = whole + body[:length], body[length + 2 :]
    return whole
