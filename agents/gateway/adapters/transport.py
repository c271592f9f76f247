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
from core.errors import SecretUnreadable
from core.models import Mode

WIRES: dict[str, Wire] = {
    "openai": OpenAIWire(tier="default"),
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
_seen_well: dict[int, float] = {}
"""When each of our children last said that it is there, by its number."""
_births = {"rehearsal": threading.Lock(), "litellm": threading.Lock()}
_LITELLM_URL = "http://litellm"
_LITELLM_START_S, _LITELLM_ANSWERS_S, _LITELLM_LOOK_S = 90.0, 15.0, 10.0
"""How long it may take to start, and to say that it is there: one that is but busy has calls in it, which would be paid for nothing.
And how often we ask that, when we need it."""
_NETWORK = ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy", "SSL_CERT_FILE")
"""All that the child learns of our environment: how the network is reached."""


def line_to(provider: Provider, *, mode: str, key: str | None = None) -> Line:
    """Return how `provider` is reached in this mode, with its own key or one that is on trial.

    Raises:
        ProviderFault: the child that speaks to it does not start, or nobody gave a key that can be read here.
    """
    if mode == Mode.REHEARSAL:
        return Line(_links_to(_REHEARSAL_URL), _REHEARSAL_URL, _REHEARSAL_KEY)
    key = _own_key(provider.name) if key is None else key
    if provider.protocol == Provider.Protocol.LITELLM:
        base_url = _litellm_url(provider)
        return Line(_links_to(base_url), base_url, key)
    address = settings.MODEL_ADDRESSES.get(provider.name) or provider.base_url
    return Line(_links_to(address), address, key)


def _own_key(name: str) -> str:
    try:
        if (key := key_of(name)) is None:
            raise KeyMissing(provider=name)
    except (
        KeyMissing,
        SecretUnreadable,
    ) as problem:  # to others it is as if they did not take it: the next one is asked
        raise ProviderFault("refused_us", is_free=True, words=problem.sentence) from problem
    return key


@dataclass(frozen=True)
class Place:
    """Where one provider is reached, for whoever brings a client; `socket` stands in for the address where it is set."""

    base_url: str
    key: str = field(repr=False)
    socket: Path | None = None


def place_of(provider: Provider, *, mode: str) -> Place:
    """Return where `provider` is reached in this mode.

    Raises:
        ProviderFault: as `line_to`.
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
    """Return the socket of this process's child of that kind, started when it is needed, or again when it died or hangs."""
    place = (os.getpid(), kind)
    with _births[kind]:
        running = _children.get(place)
        if running is not None and running.is_alive and (kind != "litellm" or _is_well(running)):
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
    while made.is_alive and time.monotonic() < until:
        if _answers(made, patience_s=_LITELLM_START_S):
            return made
        time.sleep(0.2)
    made.stop()
    raise ProviderFault("unreachable", is_free=True, words="LiteLLM does not start")


def _is_well(running: child.Process) -> bool:
    """Say whether our child still takes calls: one that hangs would cost each of them its bound."""
    is_known = time.monotonic() - _seen_well.get(running.pid, 0.0) < _LITELLM_LOOK_S
    return is_known or _answers(running, patience_s=_LITELLM_ANSWERS_S)


def _answers(running: child.Process, *, patience_s: float) -> bool:
    way = httpx.HTTPTransport(verify=trusted(), uds=str(running.path))
    try:
        with httpx.Client(transport=way, timeout=patience_s) as client:
            is_there = client.get(f"{_LITELLM_URL}/ready").status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False
    if is_there:
        _seen_well[running.pid] = time.monotonic()
    return is_there


_START: dict[str, Callable[[Path], child.Process]] = {
    "rehearsal": _start_rehearsal,
    "litellm": _start_litellm,
}


def _end(place: tuple[int, str], folder: Path) -> None:
    if os.getpid() == place[0]:
        if place in _children:
            _children[place].stop()
        shutil.rmtree(folder, ignore_errors=True)
