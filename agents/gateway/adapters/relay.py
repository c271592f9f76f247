"""One call over HTTP without a thread: the bytes of the answer as they come, for doors that pass them on."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Final
from weakref import WeakKeyDictionary

import aiohttp

from agents.gateway.adapters.http import fault_of, url_of
from agents.gateway.adapters.links import proxy_before
from agents.gateway.adapters.transport import Place
from agents.gateway.errors import ProviderFault
from agents.gateway.ports import Patience
from core.adapters.tls import trusted

_CONNECT_S: Final = 10.0
_IDLE_S: Final = 5.0
_MOST_WORDS: Final = 20_000
_LONGEST_HEADER: Final = 65_536
Owner = AsyncGenerator[aiohttp.ClientSession, None]
_open: WeakKeyDictionary[
    asyncio.AbstractEventLoop, dict[Path | None, tuple[aiohttp.ClientSession, Owner]]
] = WeakKeyDictionary()
"""By event loop and socket: connections belong to the loop that opened them."""


@asynccontextmanager
async def posted(
    place: Place, path: str, *, body: bytes, headers: Mapping[str, str], patience: Patience
) -> AsyncIterator[AsyncIterator[bytes]]:
    """Post `body` and give the bytes of the answer as they come; leaving the block hangs up.

    Raises:
        ProviderFault: it failed; the fault says whether the provider surely billed nothing.
    """
    timeout = _timeout(patience)
    url, proxy = url_of(place.base_url, path), proxy_before(place.base_url)
    told = {"content-type": "application/json", "accept-encoding": "identity", **headers}
    session = await _session(place.socket)
    try:
        async with session.post(
            url, data=body, headers=told, timeout=timeout, proxy=proxy, allow_redirects=False
        ) as answer:
            if answer.status != 200:
                words = await _beginning_of(answer.content)
                small = {name.lower(): value for name, value in answer.headers.items()}
                raise fault_of(answer.status, headers=small, words=words, key=place.key)
            yield answer.content.iter_any()
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as problem:
        raise _fault("unreachable", problem, is_free=True) from problem
    except TimeoutError as problem:
        raise _fault("silent", problem, is_free=False) from problem
    except (aiohttp.ClientError, OSError, ValueError) as problem:
        raise _fault("cut", problem, is_free=False) from problem


@lru_cache(maxsize=256)
def _timeout(patience: Patience) -> aiohttp.ClientTimeout:
    silence_s = max(patience.silence_s, patience.first_token_s)
    return aiohttp.ClientTimeout(total=patience.total_s, connect=_CONNECT_S, sock_read=silence_s)


async def _beginning_of(content: aiohttp.StreamReader) -> bytes:
    """Return what a refusal says, as far as it comes: its status says the most."""
    words = bytearray()
    with suppress(aiohttp.ClientError, OSError):
        async for chunk in content.iter_any():
            words += chunk
            if len(words) >= _MOST_WORDS:
                break
    return bytes(words)


def _fault(kind: str, problem: Exception, *, is_free: bool) -> ProviderFault:
    return ProviderFault(kind, is_free=is_free, words=type(problem).__name__)


async def _session(socket: Path | None) -> aiohttp.ClientSession:
    mine = _open.setdefault(asyncio.get_running_loop(), {})
    if socket not in mine:
        owner = _owner(socket)
        mine[socket] = (await anext(owner), owner)
    return mine[socket][0]


async def _owner(socket: Path | None) -> Owner:
    """Yield a session that is closed when its loop ends: a loop closes the generators that are open in it."""
    connector: aiohttp.BaseConnector = (
        aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE_S, ssl=trusted())
        if socket is None
        else aiohttp.UnixConnector(str(socket), limit=0, keepalive_timeout=_IDLE_S)
    )
    async with aiohttp.ClientSession(
        connector=connector,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        max_field_size=_LONGEST_HEADER,
    ) as session:
        yield session
