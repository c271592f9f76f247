"""Reads and posts on the open web, and never reaches a private address."""

import http.client
import ipaddress
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import SplitResult, quote, urlsplit

from django.conf import settings

MOST_BYTES = 1_000_000


def may_fetch(url: str) -> bool:
    """True for http(s) at a public address."""
    return _public_address(url) is not None


def get(url: str) -> tuple[int, str]:
    """Status and text at `url`; no redirect is followed; status 0 with a reason: nobody answered."""
    return _ask("GET", url, body=None)


def post(url: str, facts: dict[str, Any]) -> tuple[int, str]:
    """Like `get`, but posts `facts` as JSON."""
    return _ask("POST", url, body=json.dumps(facts).encode())


def _ask(method: str, url: str, *, body: bytes | None) -> tuple[int, str]:
    address = _public_address(url)
    if address is None:
        return 0, "This is not a public web address."
    if settings.TEST and not _is_allowed(url):
        return 0, "A test reaches nobody outside."  # it may run on a copy of what real people saved
    parts, deadline = urlsplit(url), time.monotonic() + settings.FETCH_TIMEOUT_S
    target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~") + (f"?{parts.query}" if parts.query else "")
    headers = {"User-Agent": "Mozilla/5.0 (compatible; product)", "Accept-Encoding": "identity"}
    if body is not None:
        headers["Content-Type"] = "application/json"
    try:
        line = _connect(parts, address)
        with line.sock, _cut_at(deadline, line.sock):
            line.request(method, target, body=body, headers=headers)
            answer = line.getresponse()
            return answer.status, _read(answer, deadline)
    except (OSError, http.client.HTTPException, ValueError) as problem:
        return 0, f"No answer: {type(problem).__name__}."


def _public_address(url: str) -> str | None:
    """The network address to connect to, looked up once, so that a second look-up cannot change it."""
    try:
        parts = urlsplit(url)
        port = parts.port or 443
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
            return None
        found = [entry[4][0] for entry in socket.getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)]
    except (OSError, ValueError):
        return None
    if _is_allowed(url):
        return str(found[0])
    return str(found[0]) if found and all(_is_public(str(one)) for one in found) else None


def _is_allowed(url: str) -> bool:
    """True below the one address that tests may reach, private or not."""
    allowed = settings.ALLOWED_FETCH.rstrip("/")
    return bool(allowed) and (url == allowed or url.startswith(f"{allowed}/"))


def _is_public(address: str) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    return ip.is_global and not ip.is_multicast


def _connect(parts: SplitResult, address: str) -> http.client.HTTPConnection:
    """An open line to `address` that speaks to the host named in the URL."""
    secure = parts.scheme == "https"
    line = http.client.HTTPConnection(parts.hostname or "", parts.port or (443 if secure else 80))
    line.default_port = 443 if secure else 80
    plain = socket.create_connection((address, line.port), timeout=settings.FETCH_TIMEOUT_S)
    line.sock = plain
    if secure:
        line.sock = ssl.create_default_context().wrap_socket(plain, server_hostname=parts.hostname)
    return line


@contextmanager
def _cut_at(deadline: float, wire: socket.socket) -> Iterator[None]:
    """Close `wire` at the deadline, also to one who sends a byte now and then."""
    timer = threading.Timer(deadline - time.monotonic(), wire.shutdown, [socket.SHUT_RDWR])
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _read(answer: http.client.HTTPResponse, deadline: float) -> str:
    """The first megabyte, as text."""
    kept = b""
    while len(kept) < MOST_BYTES and (piece := answer.read1(65_536)):
        kept += piece
    if time.monotonic() > deadline:
        raise TimeoutError
    return kept[:MOST_BYTES].decode(answer.headers.get_content_charset("utf-8"), "replace")
