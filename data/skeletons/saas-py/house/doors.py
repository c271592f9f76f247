"""Doors for machines: health, version, tick, events."""

import hmac
import secrets

from django.conf import settings
from django.db import DatabaseError
from django.db.models import Count
from django.db.models.functions import TruncDate
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from house import tick as ticks
from house.models import Event, Notice


@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """Alive, the database answers, and the proof shows that this release spoke."""
    nonce = request.GET.get("nonce", "")[:200]
    try:
        Notice.objects.exists()
    except DatabaseError:
        return JsonResponse({"ok": False, "release": settings.RELEASE}, status=503)
    said = (nonce + settings.RELEASE).encode()
    proof = hmac.new(settings.PROOF_KEY.encode(), said, "sha256").hexdigest()
    return JsonResponse({"ok": True, "release": settings.RELEASE, "proof": proof})


@require_safe
def version(request: HttpRequest) -> JsonResponse:
    """Which release this is."""
    return JsonResponse({"version": settings.VERSION, "release": settings.RELEASE})


@csrf_exempt
@require_POST
def tick(request: HttpRequest) -> HttpResponse:
    """Do what is due, for whoever holds the key; 500 names the work that failed."""
    if not _has_key(request):
        return HttpResponse(status=403)
    failed = ticks.run_all()
    return JsonResponse({"failed": failed}, status=500) if failed else HttpResponse(status=204)


@require_safe
def events(request: HttpRequest) -> HttpResponse:
    """How often what happened on which day (UTC), for whoever holds the key."""
    if not _has_key(request):
        return HttpResponse(status=403)
    days = Event.objects.annotate(day=TruncDate("created_at")).values("day", "name")
    counted = days.annotate(count=Count("id")).order_by("day", "name")
    return JsonResponse({"events": list(counted)})


def _has_key(request: HttpRequest) -> bool:
    given = request.headers.get("X-Tick-Key", "")
    return secrets.compare_digest(given.encode(), settings.TICK_KEY.encode())
