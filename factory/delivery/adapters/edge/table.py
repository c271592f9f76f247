"""What was asked for, checked at the door, and the routes that may follow from it."""

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class Malformed(ValueError):
    """What was asked cannot be run."""

    def __init__(self, said: object, wanted: str) -> None:
        super().__init__(f"{said!r} is not {wanted}")


@dataclass(frozen=True)
class Spec:
    """How one release is run; `{socket}` in argv is the address the edge assigns."""

    release: str
    argv: list[str]
    cwd: str
    env: dict[str, str]
    health: str
    start_s: float
    drain_s: float
    stop_s: float


@dataclass(frozen=True)
class Site:
    """One product: where it listens and what runs in its two slots."""

    port: int
    preview_port: int | None
    stable: Spec | None
    candidate: Spec | None
    weight: int


@dataclass(frozen=True)
class Table:
    """Everything that shall run; `raw` is the wire form, kept word for word."""

    generation: int
    sites: dict[str, Site]
    raw: dict[str, Any]


@dataclass(frozen=True)
class Route:
    """What users of one product meet: launches by key; `salt` draws other visitors for each release."""

    stable: str | None
    candidate: str | None
    weight: int
    salt: str


@dataclass(frozen=True)
class Listener:
    """A port and where it leads: `split` to both slots of a product by weight, `preview` to its candidate."""

    port: int
    product: str
    kind: str


def key_of(product: str, spec: Spec) -> str:
    """Name of a launch: equal specs are the same launch, whichever slot it fills, so promotion restarts nothing."""
    told = json.dumps([product, asdict(spec)], sort_keys=True)
    return f"{product}.{hashlib.sha256(told.encode()).hexdigest()[:12]}"


def parse_table(raw: dict[str, Any]) -> Table:
    """The table in a message.

    Raises:
        Malformed: it says what is wrong.
    """
    sites = {name: _site(name, said) for name, said in raw["products"].items()}
    ports = [port for site in sites.values() for port in (site.port, site.preview_port) if port is not None]
    if len(ports) != len(set(ports)):
        raise Malformed(sorted(ports), "a set of ports: one is asked for twice")
    return Table(generation=int(raw["generation"]), sites=sites, raw=raw)


def _site(name: str, said: dict[str, Any]) -> Site:
    if not NAME.fullmatch(name):
        raise Malformed(name, "a product's name: small letters, digits and hyphens")
    slots = {slot: parse_spec(said[slot]) if said[slot] else None for slot in ("stable", "candidate")}
    site = Site(**{**said, **slots})
    if not isinstance(site.weight, int) or not 0 <= site.weight <= 100:
        raise Malformed(site.weight, "a weight: a whole number from 0 to 100")
    for port in (site.port, site.preview_port):
        if port is not None and not (isinstance(port, int) and 0 < port < 65536):
            raise Malformed(port, "a port")
    return site


def parse_spec(said: dict[str, Any]) -> Spec:
    """The spec in a message; a wrong one is refused here, before it is written down and would meet us at every start."""
    spec = Spec(**said)
    texts = [spec.release, spec.cwd, spec.health, *spec.argv, *spec.env.keys(), *spec.env.values()]
    if not spec.argv or not all(isinstance(text, str) and "\0" not in text for text in texts):
        raise Malformed(spec.argv, "a command with arguments and environment: all of it text")
    if not re.fullmatch(r"/[!-~]*", spec.health):
        raise Malformed(spec.health, "a health path")
    if not all(float(seconds) >= 0 for seconds in (spec.start_s, spec.drain_s, spec.stop_s)):
        raise Malformed((spec.start_s, spec.drain_s, spec.stop_s), "a launch's times: seconds, 0 or more")
    return spec


def listeners(name: str, site: Site) -> set[Listener]:
    """Where a product is met: at its preview port only while there is something to preview."""
    users = {Listener(port=site.port, product=name, kind="split")}
    if site.preview_port is None or site.candidate is None:
        return users
    return users | {Listener(port=site.preview_port, product=name, kind="preview")}


def next_route(
    name: str, site: Site, *, was: Route | None, ready: Collection[str], known: Collection[str]
) -> Route:
    """The route that may be in force now: only what has proved itself; the old stable launch until the new one has."""
    routed = (was.stable, was.candidate) if was else ()
    stable, candidate = (
        key if key and key in known and (key in ready or key in routed) else None
        for key in (key_of(name, spec) if spec else None for spec in (site.stable, site.candidate))
    )
    if stable is None and site.stable and was and was.stable in known:
        stable = was.stable
    salt = site.candidate.release if candidate and site.candidate else ""
    return Route(stable=stable, candidate=candidate, weight=site.weight if candidate else 0, salt=salt)


def read_routes(said: Mapping[str, Any] | None) -> dict[str, Route]:
    """Routes that were written down as JSON."""
    return {name: Route(**route) for name, route in (said or {}).items()}
