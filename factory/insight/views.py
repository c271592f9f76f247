"""The door for monitors: numbers in the text format of Prometheus."""

import ipaddress

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from core.api.callers import READERS
from core.errors import FactoryError
from core.services.tokens import find_device_token, role_now
from factory.insight.services import families_now

BEHIND_PROXY = ("X-Forwarded-For", "Forwarded", "X-Real-IP")


@never_cache
@login_not_required
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Give every number to this machine itself, or to whoever shows a device's token. Source: R-08.11, R-02.24."""
    if not (_is_here(request) or _has_token(request)):
        answer = HttpResponse(
            "A device's token, or this machine itself.\n", status=401, content_type="text/plain"
        )
        answer["WWW-Authenticate"] = "Bearer"
        return answer
    from factory.insight.adapters.prometheus import MEDIA_TYPE, exposition  # noqa: PLC0415 (loaded where a monitor asks)

    return HttpResponse(exposition(families_now()), content_type=MEDIA_TYPE)


def _is_here(request: HttpRequest) -> bool:
    """Say whether this machine asks itself; what a proxy of this machine hands on is somebody else's question."""
    if any(name in request.headers for name in BEHIND_PROXY):
        return False
    try:
        return ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


def _has_token(request: HttpRequest) -> bool:
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer":
        return False
    try:
        return role_now(find_device_token(secret.strip())) in READERS
    except FactoryError:
        return False
