"""A provider without delay: chat completions, whole or in 51 chunks, and messages, always the same answer.

    python bench/provider.py        prints its address, ends with its input

It stands on the standard library and parses next to nothing, so that what is measured is whoever calls it.
"""

import asyncio
import json
import sys

CHUNKS = 51
USAGE = {"prompt_tokens": 250, "completion_tokens": 51, "total_tokens": 301}


def whole() -> bytes:
    """Return one answer in one piece, as HTTP."""
    message = {"role": "assistant", "content": "word " * CHUNKS}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    body = json.dumps({**_about("chat.completion"), "choices": [choice], "usage": USAGE}).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def stream() -> list[bytes]:
    """Return the same answer in as many pieces as a model says words, then its usage; the first has the head."""
    events = [_chunk({"role": "assistant", "content": ""})]
    events += [_chunk({"content": "word "}) for _ in range(CHUNKS - 1)]
    events += [
        _chunk({}, finish="stop"),
        json.dumps({**_about("chat.completion.chunk"), "choices": [], "usage": USAGE}),
        "[DONE]",
    ]
    parts = [f"data: {event}\n\n".encode() for event in events]
    framed = [f"{len(part):x}\r\n".encode() + part + b"\r\n" for part in parts]
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    return [head + framed[0], *framed[1:], b"0\r\n\r\n"]


def _about(kind: str) -> dict[str, object]:
    return {"id": "chatcmpl-1", "object": kind, "created": 1_750_000_000, "model": "gpt-5-mini"}


def _chunk(delta: dict[str, str], *, finish: str | None = None) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return json.dumps({**_about("chat.completion.chunk"), "choices": [choice]})


WHOLE, STREAM = whole(), stream()


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer every request of one connection; each piece of a stream leaves by itself."""
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            body = await reader.readexactly(int(length[15:]))
            if b'"stream":true' not in body.replace(b" ", b""):
                writer.write(WHOLE)
                continue
            for part in STREAM:
                writer.write(part)
                await asyncio.sleep(0)
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main() -> None:
    """Serve until our input ends."""
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    sys.stdout.write(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
