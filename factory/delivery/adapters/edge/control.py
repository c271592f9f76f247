"""The control door: a JSON line in, a JSON line out, on a unix socket; only for our own user and root."""

import asyncio
import json
import os
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

Json = dict[str, Any]
LINE_BYTES = 1 << 22


async def listen(path: Path, answer: Callable[[Json], Awaitable[Json]]) -> asyncio.Server:
    """A server at `path` that answers until it is closed."""

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while _is_ours(writer) and (line := await reader.readline()):
                writer.write(json.dumps(await _reply(line, answer)).encode() + b"\n")
                await writer.drain()
        except (OSError, ValueError):
            return  # the asker left, or its line has no end
        finally:
            writer.close()

    path.unlink(missing_ok=True)
    return await asyncio.start_unix_server(hear, path, limit=LINE_BYTES)


def _is_ours(writer: asyncio.StreamWriter) -> bool:
    peer = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return struct.unpack("3i", peer)[1] in (0, os.getuid())


async def _reply(line: bytes, answer: Callable[[Json], Awaitable[Json]]) -> Json:
    try:
        return await answer(json.loads(line))
    except OSError as error:
        return {"error": "EDGE_TROUBLE", "why": error.strerror or str(error)}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        return {"error": "BAD_TABLE", "why": str(error)}
