"""The doors themselves: read, let the call run, answer in the protocol's own words."""

import json
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from agents.gateway.door.body import LIMIT_BYTES, read_body
from agents.gateway.door.exchange import Exchange
from agents.gateway.door.plan import offers_for
from agents.gateway.door.protocols import Protocol, Wanted, read_wanted
from agents.gateway.door.refusals import refuse, told
from agents.gateway.door.rows import in_rows
from agents.gateway.door.watch import keep_watch
from agents.gateway.errors import (
    AllProvidersDown,
    BadAsk,
    BooksUnreachable,
    ProviderFault,
    RateLimited,
)
from agents.gateway.models import ModelEntry
from agents.gateway.services.sessions import session_of
from core.errors import FactoryError, TokenEnded
from core.models import AuditRow
from core.registry import Json
from core.services import audit

View = Callable[..., Coroutine[Any, Any, HttpResponseBase]]
_OF_PROVIDERS = (AllProvidersDown, RateLimited, ProviderFault, BooksUnreachable)
"""What has rows of its own, or cannot have any."""


def door(protocol: Protocol) -> View:
    """Return the view of one paid door."""

    async def answer(request: HttpRequest) -> HttpResponseBase:
        secret, wanted = secret_of(request), None
        try:
            wanted = read_wanted(protocol, read_body(request.read(LIMIT_BYTES + 1)))
            exchange = Exchange(wanted, secret=secret, headers=_lower(request))
            keep_watch()
            return await _answer(exchange, wanted)
        except FactoryError as refusal:
            await _note(refusal, secret=secret, door=protocol.name, model=wanted.model if wanted else "")
            return refuse(refusal, speech=protocol.speech)

    view: View = csrf_exempt(login_not_required(require_POST(answer)))
    view.protocol = protocol  # type: ignore[attr-defined]
    return view


def secret_of(request: HttpRequest) -> str:
    """Return the token, as clients of either protocol send it."""
    kind, _, secret = request.headers.get("authorization", "").partition(" ")
    return secret.strip() if kind.lower() == "bearer" else request.headers.get("x-api-key", "").strip()


def _lower(request: HttpRequest) -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}


async def _answer(exchange: Exchange, wanted: Wanted) -> HttpResponseBase:
    """Answer in one piece, or begin to stream once the provider has begun: what fails before that is a plain refusal."""
    parts = exchange.parts()
    if not wanted.is_stream:
        return HttpResponse(b"".join([part async for part in parts]), content_type="application/json")
    first = await anext(parts, b"")
    return StreamingHttpResponse(
        _stream(first, parts, speech=wanted.protocol.speech),
        content_type="text/event-stream",
        headers={"cache-control": "no-cache", "x-accel-buffering": "no"},
    )


async def _stream(first: bytes, parts: AsyncIterator[bytes], *, speech: str) -> AsyncIterator[bytes]:
    """Yield the answer; what breaks it off is told as the protocol tells an error inside a stream."""
    try:
        yield first
        async for part in parts:
            yield part
    except FactoryError as refusal:
        line = f"data: {json.dumps(told(refusal, speech=speech))}\n\n".encode()
        yield b"\n\nevent: error\n" + line if speech == "anthropic" else b"\n\n" + line
    finally:
        await parts.aclose()  # type: ignore[attr-defined]


async def _note(refusal: FactoryError, *, secret: str, door: str, model: str) -> None:
    """Write who was refused what; a refusal leaves no other row."""
    if not isinstance(refusal, _OF_PROVIDERS):
        try:
            await in_rows(partial(_audit, refusal, secret=secret, subject=f"{door} {model}"))
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
        why=refusal.sentence[:300],
        **facts,
    )


@csrf_exempt
@login_not_required
@require_GET
async def models(request: HttpRequest, name: str = "") -> HttpResponseBase:
    """List the models this run may ask, or one of them, in both protocols' words."""
    secret = secret_of(request)
    speech = "anthropic" if "anthropic-version" in request.headers else "openai"
    try:
        found = await in_rows(lambda: offers_for(session_of(secret).rights, name=name))
    except FactoryError as refusal:
        await _note(refusal, secret=secret, door="models", model=name)
        return refuse(refusal, speech=speech)
    rows = [_shown(offer.model) for offer in found]
    if name:
        return JsonResponse(rows[0])
    ends = (
        {"first_id": rows[0]["id"], "last_id": rows[-1]["id"]}
        if rows
        else {"first_id": None, "last_id": None}
    )
    return JsonResponse({"object": "list", "data": rows, "has_more": False, **ends})


def _shown(entry: ModelEntry) -> Json:
    return {
        "id": entry.name,
        "object": "model",
        "type": "model",
        "display_name": entry.name,
        "created": 0,
        "created_at": "1970-01-01T00:00:00Z",
        "owned_by": entry.provider_id,
    }


@csrf_exempt
@login_not_required
async def nothing(request: HttpRequest) -> HttpResponseBase:
    """Refuse any other address in the protocols' words, so that no engine takes a page for an answer."""
    return refuse(
        BadAsk(at=request.path[:100], expected="a door of this factory: see docs/rest.md"), speech="openai"
    )
