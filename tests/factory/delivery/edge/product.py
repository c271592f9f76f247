"""A product as small as can be: health with proof, orders in a file, and faults on demand.

Environment: ORDERS (file of taken orders), FAULT (`boot`: ends at once with words, `post`: fails on POST, `half`: every
second page fails, `late`: does not listen, `liar`: proves with a key of its own, `rude`: dies at once when told to end,
`deaf`: only notes it), RED (a file: while it exists, health answers 503).
"""

import asyncio
import hmac
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

RELEASE, KEY = os.environ.get("PRODUCT_RELEASE", ""), os.environ.get("PRODUCT_PROOF_KEY", "")
FAULT, ORDERS, RED = os.environ.get("FAULT", ""), os.environ["ORDERS"], os.environ.get("RED", "/nowhere")
Send = Callable[[dict[str, Any]], Awaitable[None]]
pages = 0


def health(nonce: str) -> tuple[int, bytes]:
    """Who answers, to this very question."""
    key = "guessed" if FAULT == "liar" else KEY
    proof = hmac.new(key.encode(), f"{nonce}{RELEASE}".encode(), "sha256").hexdigest()
    well = not Path(RED).exists()
    return 200 if well else 503, json.dumps({"ok": well, "release": RELEASE, "proof": proof}).encode()


def page() -> tuple[int, bytes]:
    """Who we are and what we were given."""
    global pages
    pages += 1
    return 500 if FAULT == "half" and pages % 2 else 200, json.dumps(
        {"pid": os.getpid(), "env": sorted(os.environ)}
    ).encode()


def take_order(number: str) -> tuple[int, bytes]:
    """An order is written down before it is confirmed."""
    if FAULT == "post":
        return 500, b"no"
    with Path(ORDERS).open("a") as file:
        file.write(f"{number} {RELEASE}\n")
    return 201, number.encode()


def note_end(*_: object) -> None:
    """Leave a sign that we were told to end, and stay."""
    Path(ORDERS).with_suffix(".told").touch()


async def app(scope: dict[str, Any], receive: Callable[[], Awaitable[dict[str, Any]]], send: Send) -> None:
    """The ASGI application."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await asyncio.sleep(3600 if FAULT == "late" else 0)
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    asked = {key: values[0] for key, values in parse_qs(scope["query_string"].decode()).items()}
    if FAULT in ("rude", "deaf"):  # now, because the server sets its own handlers when it starts
        signal.signal(signal.SIGTERM, signal.SIG_DFL if FAULT == "rude" else note_end)
    if "s" in asked:
        Path(ORDERS).with_suffix(".begun").touch()
        await asyncio.sleep(float(asked["s"]))
    if scope["path"] == "/spawn":  # a child that leaves our session and holds none of our files
        await asyncio.create_subprocess_exec("sleep", "600", start_new_session=True, close_fds=True)
    while scope["method"] == "POST" and (await receive()).get("more_body"):
        continue  # an order is read whole before it is taken
    if scope["path"] == "/health":
        status, body = health(asked.get("nonce", ""))
    else:
        status, body = take_order(asked["id"]) if scope["method"] == "POST" else page()
    headers = [(b"content-length", str(len(body)).encode()), (b"x-release", RELEASE.encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


if FAULT == "boot":
    sys.exit("the settings lack a secret")
