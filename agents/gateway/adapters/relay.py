"""One call over HTTP without a thread: the bytes of the answer as they come, for doors that pass them on."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

import httpx

from agents.gateway.adapters.http import fault_of, url_of
from agents.gateway.adapters.transport import Place
from agents.gateway.errors import ProviderFault
from agents.gateway.ports import Patience

_clients: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[int, Path | None], httpx.AsyncClient]] = (
    WeakKeyDictionary()
)
"""One client per event loop, process and socket: its connections belong to the loop that opened them."""


@dataclass(frozen=True)
class Answering:
    """A provider that answers: what it is, and its bytes."""

    content_type: str
    chunks: AsyncIterator[bytes]


@asynccontextmanager
async def posted(
    place: Place, path: str, *, body: bytes, headers: Mapping[str, str], patience: Patience
) -> AsyncIterator[Answering]:
    """Post `body` and give the answer while it comes; leaving the block hangs up.

    Raises:
        ProviderFault: it failed; the fault says whether the provider surely billed nothing.
    """
    silence_s = max(patience.silence_s, patience.first_token_s)
    timeout = httpx.Timeout(silence_s, connect=10, pool=10)
    url = url_of(place.base_url, path)
    told = {"content-type": "application/json", "accept-encoding": "identity", **headers}
    try:
        async with asyncio.timeout(patience.total_s):
            async with _client(place).stream(
                "POST", url, content=body, headers=told, timeout=timeout
            ) as response:
                if response.status_code != 200:
                    words = (await response.aread())[:2000]
                    raise fault_of(response.status_code, headers=response.headers, words=words, key=place.key)
                yield Answering(response.headers.get("content-type", ""), response.aiter_raw())
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as problem:
        raise _fault("unreachable", problem, is_free=True) from problem
    except (httpx.TimeoutException, TimeoutError) as problem:
        raise _fault("silent", problem, is_free=False) from problem
    except httpx.HTTPError as problem:
        raise _fault("cut", problem, is_free=False) from problem


def _fault(kind: str, problem: Exception, *, is_free: bool) -> ProviderFault:
    return ProviderFault(kind, is_free=is_free, words=type(problem).__name__)


def _client(place: Place) -> httpx.AsyncClient:
    mine = _clients.setdefault(asyncio.get_running_loop(), {})
    key = (os.getpid(), place.socket)
    if key not in mine:
        uds = str(place.socket) if place.socket else None
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=50)
        mine[key] = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=uds, limits=limits), trust_env=False
        )
    return mine[key]
