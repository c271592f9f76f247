"""Where a provider is reached: its own address with the key, or the rehearsal child on a socket. Nothing else differs."""

import atexit
import os
import shutil
import tempfile
import threading
from pathlib import Path

import httpx
from django.conf import settings

from agents.gateway.adapters import child
from agents.gateway.adapters.anthropic import AnthropicWire
from agents.gateway.adapters.http import Line
from agents.gateway.adapters.openai import OpenAIWire
from agents.gateway.models import Provider
from agents.gateway.ports import Wire
from core.models import Mode

WIRES: dict[str, Wire] = {"openai": OpenAIWire(), "anthropic": AnthropicWire()}
_REHEARSAL_URL, _REHEARSAL_KEY = "http://rehearsal", "rehearsal"
_lock = threading.Lock()
_clients: dict[tuple[int, str], httpx.Client] = {}
"""One client per process and place: a client that crossed a fork would share its sockets."""


def has_line(provider: str, *, mode: str) -> bool:
    """Say whether `provider` can be reached: always in rehearsal, with a key in a real factory."""
    return mode == Mode.REHEARSAL or bool(settings.MODEL_KEYS.get(provider))


def line_to(provider: Provider, *, mode: str) -> Line:
    """Return how `provider` is reached in this mode."""
    if mode == Mode.REHEARSAL:
        return Line(_client(_REHEARSAL_URL), _REHEARSAL_URL, _REHEARSAL_KEY)
    return Line(_client(provider.base_url), provider.base_url, settings.MODEL_KEYS[provider.name])


def _client(base_url: str) -> httpx.Client:
    with _lock:
        place = (os.getpid(), base_url)
        if place not in _clients:
            is_rehearsal = base_url == _REHEARSAL_URL
            _clients[place] = (
                httpx.Client(transport=httpx.HTTPTransport(uds=str(_rehearse())))
                if is_rehearsal
                else httpx.Client()
            )
        return _clients[place]


def _rehearse() -> Path:
    """Start the rehearsal child of this process and return its socket; both go when we go."""
    folder = Path(tempfile.mkdtemp(prefix="rehearsal-"))  # short: a socket's path has about 100 bytes
    running = child.start(settings.REHEARSAL_SEED, folder / "model.sock")
    born_in = os.getpid()

    def end() -> None:
        if os.getpid() == born_in:
            running.stop()
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(end)
    return running.path
