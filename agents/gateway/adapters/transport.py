"""Where a provider is reached: its own address with the key, or the rehearsal child on a socket. Nothing else differs."""

import atexit
import base64
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from django.conf import settings

from agents.gateway.adapters import child
from agents.gateway.adapters.anthropic import AnthropicWire
from agents.gateway.adapters.http import Line
from agents.gateway.adapters.keyring import key_of
from agents.gateway.adapters.links import Links
from agents.gateway.adapters.openai import OpenAIWire
from agents.gateway.errors import KeyMissing, ProviderFault
from agents.gateway.models import Provider
from agents.gateway.ports import Wire
from core.adapters.tls import trusted
from core.models import Mode

WIRES: dict[str, Wire] = {
    "openai": OpenAIWire(),
    "compatible": OpenAIWire(room="max_tokens"),
    "anthropic": AnthropicWire(),
    "litellm": OpenAIWire(room="max_tokens"),
}
_REHEARSAL_URL, _REHEARSAL_KEY = "http://rehearsal", "rehearsal"
_lock = threading.Lock()
_links: dict[tuple[int, str], Links] = {}
"""By process and place: what crossed a fork would share its sockets."""
_children: dict[tuple[int, str], child.Process] = {}
"""Our children by the process that started them and their kind: who crossed a fork starts its own."""
_births = {"rehearsal": threading.Lock(), "litellm": threading.Lock()}
_LITELLM_URL = "http://litellm"
_LITELLM_START_S = 90.0
_NETWORK = ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy", "SSL_CERT_FILE")
"""All that the child learns of our environment: how the network is reached."""


def line_to(provider: Provider, *, mode: str, key: str | None = None) -> Line:
    """Return how `provider` is reached in this mode, with its own key or one that is on trial.

    Raises:
        ProviderFault: the child that speaks to it does not start.
        KeyMissing: nobody gave its key.
        SecretUnreadable: its key was sealed elsewhere.
    """
    if mode == Mode.REHEARSAL:
        return Line(_links_to(_REHEARSAL_URL), _REHEARSAL_URL, _REHEARSAL_KEY)
    key = key_of(provider.name) if key is None else key
    if key is None:
        raise KeyMissing(provider=provider.name)
    if provider.protocol == Provider.Protocol.LITELLM:
        base_url = _litellm_url(provider)
        return Line(_links_to(base_url), base_url, key)
    address = settings.MODEL_ADDRESSES.get(provider.name) or provider.base_url
    return Line(_links_to(address), address, key)


@dataclass(frozen=True)
class Place:
    """Where one provider is reached, for whoever brings a client; `socket` stands in for the address where it is set."""

    base_url: str
    key: str = field(repr=False)
    socket: Path | None = None


def place_of(provider: Provider, *, mode: str) -> Place:
    """Return where `provider` is reached in this mode.

    Raises:
        KeyMissing: nobody gave its key.
        SecretUnreadable: its key was sealed elsewhere.
    """
    line = line_to(provider, mode=mode)
    return Place(line.base_url, line.key, _socket_of(line.base_url))


def hang_up() -> None:
    """Close the idle connections of this process; the next call opens a new one. Done by itself when we go."""
    with _lock:
        for place in [place for place in _links if place[0] == os.getpid()]:
            _links.pop(place).close()


atexit.register(hang_up)


def _links_to(base_url: str) -> Links:
    socket = _socket_of(base_url)
    place = (os.getpid(), base_url if socket is None else str(socket))
    if (known := _links.get(place)) is None:
        with _lock:
            known = _links.setdefault(place, Links(base_url, path=socket))
    return known


def _socket_of(base_url: str) -> Path | None:
    """Return the socket that stands in for this address: that of a child of ours; None: it is a real one."""
    if base_url == _REHEARSAL_URL:
        return _child("rehearsal")
    return _child("litellm") if base_url.startswith(_LITELLM_URL) else None


def _litellm_url(provider: Provider) -> str:
    """Return the child's address for what LiteLLM calls this provider, wherever that is."""
    address = base64.urlsafe_b64encode(provider.base_url.encode()).decode() if provider.base_url else "-"
    return f"{_LITELLM_URL}/{provider.name}/{address}"


def _child(kind: str) -> Path:
    """Return the socket of this process's child of that kind, started when it is needed, or again when it died."""
    place = (os.getpid(), kind)
    with _births[kind]:
        running = _children.get(place)
        if running is not None and running.is_alive:
            return running.path
        if running is None:
            folder = Path(tempfile.mkdtemp(prefix=f"{kind}-"))  # short: a socket's path has about 100 bytes
            path = folder / "model.sock"
            atexit.register(_end, place, folder)
        else:
            running.stop()
            path = running.path
        _children[place] = _START[kind](path)
        return path


def _start_rehearsal(path: Path) -> child.Process:
    return child.start(settings.REHEARSAL_SEED, path)


def _start_litellm(path: Path) -> child.Process:
    """Start it and wait until it has read itself: no call may leave while nobody could answer."""
    made = child.start_litellm(path, env={name: os.environ[name] for name in _NETWORK if name in os.environ})
    until = time.monotonic() + _LITELLM_START_S
    with httpx.Client(
        transport=httpx.HTTPTransport(verify=trusted(), uds=str(path)), timeout=_LITELLM_START_S
    ) as client:
        while made.is_alive and time.monotonic() < until:
            if client.get(f"{_LITELLM_URL}/ready").status_code == 200:
                return made
            time.sleep(0.2)
    made.stop()
    raise ProviderFault("unreachable", is_free=True, words="LiteLLM does not start")


_START: dict[str, Callable[[Path], child.Process]] = {
    "rehearsal": _start_rehearsal,
    "litellm": _start_litellm,
}


def _end(place: tuple[int, str], folder: Path) -> None:
    if os.getpid() == place[0]:
        if place in _children:
            _children[place].stop()
        shutil.rmtree(folder, ignore_errors=True)
