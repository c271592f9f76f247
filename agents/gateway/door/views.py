"""The doors themselves, by the URL table."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_POST

from agents.gateway.door.answers import LARGE_BYTES, answered, note, secret_of, why_not_large
from agents.gateway.door.body import LIMIT_BYTES
from agents.gateway.door.plan import offers_for
from agents.gateway.door.protocols import Protocol
from agents.gateway.door.refusals import refuse
from agents.gateway.door.rows import in_rows
from agents.gateway.errors import BadAsk
from agents.gateway.models import ModelEntry
from agents.gateway.services.sessions import session_of
from core.errors import FactoryError
from core.registry import Json

View = Callable[..., Coroutine[Any, Any, HttpResponseBase]]


def door(protocol: Protocol) -> View:
    """Return the view of one paid door, for servers that come by the URL table."""

    async def answer(request: HttpRequest) -> HttpResponseBase:
        headers = _lower(request)
        said = await answered(protocol, await _body(request, headers), headers)
        kind = HttpResponse if isinstance(said.body, bytes) else StreamingHttpResponse
        return kind(said.body, status=said.status, headers=dict(said.headers))

    view: View = csrf_exempt(login_not_required(require_POST(answer)))
    view.protocol = protocol  # type: ignore[attr-defined]
    return view


async def _body(request: HttpRequest, headers: Mapping[str, str]) -> bytes | FactoryError:
    """Return the body, or why a large one of whoever sends it is not read."""
    raw = request.read(LARGE_BYTES + 1)
    if len(raw) <= LARGE_BYTES:
        return raw
    return await why_not_large(headers) or raw + request.read(LIMIT_BYTES + 1 - len(raw))


def _lower(request: HttpRequest) -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}


@csrf_exempt
@login_not_required
@require_GET
async def models(request: HttpRequest, name: str = "") -> HttpResponseBase:
    """List the models this run may ask, or one of them, in both protocols' words."""
    secret = secret_of(_lower(request))
    speech = "anthropic" if "anthropic-version" in request.headers else "openai"
    try:
        found = await in_rows(lambda: offers_for(session_of(secret).rights, name=name))
    except FactoryError as refusal:
        await note(refusal, secret=secret, door="models", model=name)
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
