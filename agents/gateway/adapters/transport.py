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

WIRES: dict[str, Wire] = {"openai": OpenAIWire(), "anthropic": AnthropicWire()}
_REHEARSAL_URL, _REHEARSAL_KEY = "http://rehearsal", "rehearsal"
_lock = threading.Lock()
_clients: dict[tuple[int, str], httpx.Client] = {}
"""One client per process and place: a client that crossed a fork would share its sockets."""
_sockets: dict[int, Path] = {}
"""The rehearsal child's socket, by the process that started the child."""


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
        if place not in _clients:
            _clients[place] = _open(base_url)
        return _clients[place]


def _open(base_url: str) -> httpx.Client:
    if base_url == _REHEARSAL_URL:
        return httpx.Client(transport=httpx.HTTPTransport(uds=str(_rehearse())))
    return httpx.Client()


def _rehearse() -> Path:
    """Start the rehearsal child of this process, once, and return its socket; both go when we go."""
    if (path := _sockets.get(os.getpid())) is not None:
        return path
    folder = Path(tempfile.mkdtemp(prefix="rehearsal-"))  # short: a socket's path has about 100 bytes
    running = child.start(settings.REHEARSAL_SEED, folder / "model.sock")
    _sockets[os.getpid()] = running.path
    atexit.register(_end, running, folder, os.getpid())
    return running.path


def _end(running: child.Process, folder: Path, born_in: int) -> None:
    if os.getpid() == born_in:
        running.stop()
        shutil.rmtree(folder, ignore_errors=True)
