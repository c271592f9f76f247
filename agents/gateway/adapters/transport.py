"""Where a provider is reached: its own address with the key, or the rehearsal child on a socket. Nothing else differs."""

import atexit
import os
import shutil
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from django.conf import settings

from agents.gateway.adapters import child
from agents.gateway.adapters.anthropic import AnthropicWire
from agents.gateway.adapters.http import Line
from agents.gateway.adapters.keyring import key_of
from agents.gateway.adapters.openai import OpenAIWire
from agents.gateway.errors import KeyMissing
from agents.gateway.models import Provider
from agents.gateway.ports import Wire
from core.models import Mode

WIRES: dict[str, Wire] = {
    "openai": OpenAIWire(),
    "compatible": OpenAIWire(room="max_tokens"),
    "anthropic": AnthropicWire(),
    "litellm": OpenAIWire(room="max_tokens"),
}
_REHEARSAL_URL, _REHEARSAL_KEY = "http://rehearsal", "rehearsal"
_lock = threading.Lock()
_clients: dict[tuple[int, str], httpx.Client] = {}
"""One client per process and place: a client that crossed a fork would share its sockets."""
_children: dict[int, child.Process] = {}
"""The rehearsal child, by the process that started it."""


def line_to(provider: Provider, *, mode: str, key: str | None = None) -> Line:
    """Return how `provider` is reached in this mode, with its own key or one that is on trial.

    Raises:
        KeyMissing: nobody gave its key.
        SecretUnreadable: its key was sealed elsewhere.
    """
    if mode == Mode.REHEARSAL:
        return Line(_client(_REHEARSAL_URL), _REHEARSAL_URL, _REHEARSAL_KEY)
    key = key_of(provider.name) if key is None else key
    if key is None:
        raise KeyMissing(provider=provider.name)
    address = settings.MODEL_ADDRESSES.get(provider.name) or provider.base_url
    return Line(_client(address), address, key)


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
    is_rehearsed = line.base_url == _REHEARSAL_URL
    return Place(line.base_url, line.key, _rehearse() if is_rehearsed else None)


def hang_up() -> None:
    """Close every client of this process; the next call opens a new one. Done by itself when we go."""
    with _lock:
        for place in [place for place in _clients if place[0] == os.getpid()]:
            _clients.pop(place).close()


atexit.register(hang_up)


def _client(base_url: str) -> httpx.Client:
    with _lock:
        place = (os.getpid(), base_url)
        path = _rehearse() if base_url == _REHEARSAL_URL else None
        if place not in _clients:
            _clients[place] = httpx.Client(transport=httpx.HTTPTransport(uds=str(path)) if path else None)
        return _clients[place]


def _rehearse() -> Path:
    """Return the socket of this process's rehearsal child, started when none lives; both go when we go."""
    running = _children.get(os.getpid())
    if running is None:
        folder = Path(tempfile.mkdtemp(prefix="rehearsal-"))  # short: a socket's path has about 100 bytes
        atexit.register(_end, os.getpid(), folder)
        path = folder / "model.sock"
    elif running.is_alive:
        return running.path
    else:
        running.stop()
        path = running.path
    _children[os.getpid()] = child.start(settings.REHEARSAL_SEED, path)
    return path


def _end(born_in: int, folder: Path) -> None:
    if os.getpid() == born_in:
        _children[born_in].stop()
        shutil.rmtree(folder, ignore_errors=True)
