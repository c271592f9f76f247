"""What a paid door answers, whoever carries it: read, let the call run, answer in the protocol's own words."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from functools import partial

from agents.gateway.door.body import read_body
from agents.gateway.door.breaks import Out
from agents.gateway.door.exchange import Exchange
from agents.gateway.door.protocols import Protocol, Wanted, read_wanted
from agents.gateway.door.refusals import NOT_AGAIN, status_of, told
from agents.gateway.door.rows import in_rows
from agents.gateway.door.watch import keep_watch
from agents.gateway.errors import AllProvidersDown, BooksUnreachable, ProviderFault, RateLimited
from agents.gateway.rules.answers import storable
from agents.gateway.services.sessions import session_of
from core.errors import FactoryError, TokenEnded
from core.models import AuditRow
from core.services import audit

_OF_PROVIDERS = (AllProvidersDown, RateLimited, ProviderFault, BooksUnreachable)
"""What has rows of its own, or cannot have any."""
LARGE_BYTES = 256_000
"""A larger body is kept, and read beside the loop, only for whoever may ask: to see who that is costs a look at the rows."""
_JSON = {"content-type": "application/json"}
_EVENTS = {"content-type": "text/event-stream", "cache-control": "no-cache", "x-accel-buffering": "no"}


@dataclass(frozen=True)
class Answered:
    """An answer: in one piece, or in parts that come."""

    status: int
    headers: Mapping[str, str]
    body: bytes | AsyncIterator[bytes]


async def answered(protocol: Protocol, raw: bytes | FactoryError, headers: Mapping[str, str]) -> Answered:
    """Return what one paid door answers to this body, or to one that was not kept: `raw` says why.

    The names of `headers` are in small letters.
    """
    secret, wanted = secret_of(headers), None
    try:
        wanted = await _read(protocol, raw)
        exchange = Exchange(wanted, secret=secret, headers=headers)
        keep_watch()
        return await _answer(exchange, wanted)
    except FactoryError as refusal:
        await note(refusal, secret=secret, door=protocol.name, model=wanted.model if wanted else "")
        said = json.dumps(told(refusal, speech=protocol.speech)).encode()
        return Answered(status_of(refusal), {**_JSON, **NOT_AGAIN}, said)


async def why_not_large(headers: Mapping[str, str]) -> FactoryError | None:
    """Return why no large body is kept of whoever sends these headers; None: it is."""
    try:
        await in_rows(partial(session_of, secret_of(headers)))
    except FactoryError as refusal:
        return refusal
    return None


async def _read(protocol: Protocol, raw: bytes | FactoryError) -> Wanted:
    if isinstance(raw, FactoryError):
        raise raw
    if len(raw) <= LARGE_BYTES:
        return _wanted(protocol, raw)
    return await asyncio.to_thread(_wanted, protocol, raw)


def _wanted(protocol: Protocol, raw: bytes) -> Wanted:
    return read_wanted(protocol, read_body(raw))


def secret_of(headers: Mapping[str, str]) -> str:
    """Return the token, as clients of either protocol send it."""
    kind, _, secret = headers.get("authorization", "").partition(" ")
    return secret.strip() if kind.lower() == "bearer" else headers.get("x-api-key", "").strip()


async def _answer(exchange: Exchange, wanted: Wanted) -> Answered:
    """Answer in one piece, or begin to stream once the provider has begun: what fails before that is a plain refusal."""
    parts = exchange.parts()
    if not wanted.is_stream:
        return Answered(200, _JSON, b"".join([part async for part in parts]))
    first = await anext(parts, b"")
    return Answered(200, _EVENTS, _stream(first, parts, out=Out(wanted)))


async def _stream(first: bytes, parts: AsyncIterator[bytes], *, out: Out) -> AsyncIterator[bytes]:
    """Yield the answer; what breaks it off is told as the protocol tells an error inside a stream."""
    try:
        out.note(first)
        yield first
        async for part in parts:
            out.note(part)
            yield part
    except FactoryError as refusal:
        yield out.broken(refusal)
    finally:
        await parts.aclose()  # type: ignore[attr-defined]


async def note(refusal: FactoryError, *, secret: str, door: str, model: str) -> None:
    """Write who was refused what; a refusal leaves no other row."""
    if not isinstance(refusal, _OF_PROVIDERS):
        try:
            await in_rows(partial(_audit, refusal, secret=secret, subject=storable(f"{door} {model}")))
        except BooksUnreachable:
            return


def _audit(refusal: FactoryError, *, secret: str, subject: str) -> None:
    try:
        session = session_of(secret)
        actor, facts = f"agent:{session.agent}", {"assignment_id": str(session.assignment_id)}
    except TokenEnded:
        actor, facts = "agent:unknown", {}
    audit(
        actor=actor,
        verb="gateway.refuse_call",
        subject=subject,
        outcome=AuditRow.Outcome.DENIED,
        code=refusal.code,
        why=storable(refusal.sentence[:300]),
        **facts,
    )
