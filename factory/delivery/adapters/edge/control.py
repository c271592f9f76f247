"""The control door: a JSON line in, a JSON line out, on a unix socket; only for our own user and root."""

import asyncio
import json
import os
import socket
import struct
from pathlib import Path
from typing import Any, Protocol

LINE_BYTES = 1 << 22


class Verbs(Protocol):
    """What may be asked of the keeper."""

    async def apply(self, raw: dict[str, Any]) -> dict[str, Any]:
        """Take over a whole table."""

    def state(self) -> dict[str, Any]:
        """What is true."""

    def stats(self) -> dict[str, Any]:
        """What was counted."""

    async def probe(self, key: str) -> dict[str, Any]:
        """Who answers for a launch now."""

    async def stop(self) -> dict[str, Any]:
        """End the edge, not the products."""


async def listen(verbs: Verbs, path: Path) -> asyncio.Server:
    """A server at `path` that answers until it is closed."""

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while _is_ours(writer) and (line := await reader.readline()):
                writer.write(json.dumps(await reply(verbs, line)).encode() + b"\n")
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


async def reply(verbs: Verbs, line: bytes) -> dict[str, Any]:
    """The answer to one message; a bad one is answered, too."""
    try:
        message = json.loads(line)
        match message["do"]:
            case "apply":
                return await verbs.apply(message["table"])
            case "state":
                return verbs.state()
            case "stats":
                return verbs.stats()
            case "probe":
                return await verbs.probe(message["launch"])
            case "stop":
                return await verbs.stop()
        return {"error": "BAD_TABLE", "why": f"no such verb: {message['do']}"}
    except OSError as error:
        return {"error": "EDGE_TROUBLE", "why": error.strerror or str(error)}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        return {"error": "BAD_TABLE", "why": str(error)}
