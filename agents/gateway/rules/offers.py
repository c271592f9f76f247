"""The list of models that a maker itself gives out, and how it meets the table of prices."""

import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from agents.gateway.errors import AddressUnusable, ListUnreadable
from agents.gateway.rules.route import names_of
from core.errors import BadArguments

MOST_MODELS: Final = 2_000
SMALL_WINDOW_TOKENS: Final = 8_192
"""What an own machine is believed to hold until it says more."""
HOSTED_WINDOW_TOKENS: Final = 128_000
HOSTED_ANSWER_TOKENS: Final = 8_192
"""What a model that a maker serves for money is believed to hold and to write until somebody says more."""
LONGEST_ANSWER_TOKENS: Final = 16_384
LEAST_WINDOW_TOKENS: Final = 1_024
MOST_WINDOW_TOKENS: Final = 10_000_000
_WINDOWS: Final = ("n_ctx", "max_model_len", "context_length", "context_window", "max_input_tokens")
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{1,39}")


@dataclass(frozen=True)
class Offer:
    """One model in a maker's list; `window_tokens` None: the list does not say."""

    name: str
    window_tokens: int | None = None


def read_offers(told: object) -> tuple[Offer, ...]:
    """Return what a list of models says, in both protocols and as llama.cpp and others write it.

    Raises:
        ListUnreadable: it is no such list.
    """
    rows = told.get("data") if isinstance(told, Mapping) else None
    if not isinstance(rows, list):
        raise ListUnreadable
    named = (row for row in rows if isinstance(row, Mapping) and isinstance(row.get("id"), str))
    offers = {
        name: Offer(name, _window(row))
        for row in named
        if 0 < len(name := row["id"].removeprefix("models/")) <= 80 and name.isprintable()
    }
    return tuple(list(offers.values())[:MOST_MODELS])


def _window(row: Mapping[str, Any]) -> int | None:
    """The room of one model, under whichever name it is told."""
    meta = row.get("meta")
    places = (row, meta if isinstance(meta, Mapping) else {})
    told = (place.get(name) for place in places for name in _WINDOWS)
    return next((size for size in told if type(size) is int and 0 < size < 10**8), None)


def room_of(*, window: int | None, longest: int | None, is_own: bool) -> tuple[int, int]:
    """Return how many tokens a model holds and writes at most; what nobody said (None) is believed.

    Raises:
        BadArguments: it writes more than it holds.
    """
    believed = None if is_own or window is not None else HOSTED_ANSWER_TOKENS
    room = window or (SMALL_WINDOW_TOKENS if is_own else HOSTED_WINDOW_TOKENS)
    answer = longest or believed or max(1, min(room // 2, LONGEST_ANSWER_TOKENS))
    if not 0 < answer <= room:
        raise BadArguments(at="longest answer", may_be=f"1 to {room:,} tokens, what the window holds")
    return room, answer


def names_offered(offers: Iterable[str]) -> frozenset[str]:
    """Return every name under which a model of the table may be meant: a dated name stands for the undated one too."""
    return frozenset(name for offer in offers for name in names_of(offer))


def read_address(text: str) -> str:
    """Return the base address in `text`, without a slash or `/v1` at its end.

    Raises:
        AddressUnusable: it is none, holds a name or a password, or would carry a key over an open line.
    """
    address = text.strip().rstrip("/").removesuffix("/v1")
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise AddressUnusable(why="it cannot be read") from None
    if parts.scheme not in ("http", "https") or not host or len(address) > 200 or not address.isprintable():
        raise AddressUnusable(why="it has to begin with https:// and name a host")
    if "@" in parts.netloc:
        raise AddressUnusable(why="a name or password does not belong into it")
    if parts.query or parts.fragment or " " in address:
        raise AddressUnusable(why="it ends with the path")
    if _is_forbidden(host):
        raise AddressUnusable(why="nobody serves models there")
    if parts.scheme == "http" and not is_near(host):
        raise AddressUnusable(why="a key would travel in the clear: use https://")
    return address


def is_near(host: str) -> bool:
    """Say whether `host` is this machine or stands in a private network."""
    if host == "localhost" or host.endswith((".local", ".lan", ".internal")):
        return True
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host


def _is_forbidden(host: str) -> bool:
    """Addresses at which clouds tell machines their secrets, and those that mean nobody."""
    try:
        place = ipaddress.ip_address(host)
    except ValueError:
        return host == "metadata.google.internal"
    return place.is_link_local or place.is_multicast or place.is_unspecified


def read_maker_name(text: str) -> str:
    """Return `text` as the name of a maker that a person adds.

    Raises:
        AddressUnusable: it is no short name.
    """
    name = text.strip().lower()
    if not _NAME.fullmatch(name):
        raise AddressUnusable(why="its name has 2 to 40 small letters, digits and -")
    return name


@dataclass(frozen=True)
class Standing:
    """How one model stands: it may be used, or why not.

    Attributes:
        state: `ready`, `no_price`, `not_in_key`, `no_key`, `stopped` or `unseen` (its maker's list was never read).
        tier: empty: nobody said.
        longest_tokens: its longest answer.
        may_price: its owner may say what it costs: the price table does not.
    """

    provider: str
    model: str
    state: str
    tier: str = ""
    window_tokens: int | None = None
    input_microusd: int | None = None
    output_microusd: int | None = None
    longest_tokens: int | None = None
    may_price: bool = False


def state_of(*, is_priced: bool, is_reachable: bool, is_running: bool, is_offered: bool | None) -> str:
    """Return how a model stands; the first reason against it counts."""
    if not is_reachable:
        return "no_key"
    if not is_running:
        return "stopped"
    if is_offered is False:
        return "not_in_key"
    if not is_priced:
        return "no_price"
    return "ready" if is_offered else "unseen"


def in_words(standings: Sequence[Standing]) -> str:
    """Return how many models stand how, in words."""
    words = {
        "ready": "ready", "unseen": "not checked yet", "no_price": "refused: no price", "not_in_key": "not in this key",
        "stopped": "stopped", "no_key": "without a key",
    }  # fmt: skip
    counts = [(sum(one.state == state for one in standings), said) for state, said in words.items()]
    return ", ".join(f"{count} {said}" for count, said in counts if count) or "none yet"
