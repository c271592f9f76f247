"""Pages for what did not work."""

import logging
import secrets

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from factory.console.views.frame import show

logger = logging.getLogger(__name__)
_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Say that there is nothing here; strangers see no frame."""
    return _show(request, "not_found", status=404)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Say who may do this."""
    return _show(request, "forbidden", status=403)


def _show(request: HttpRequest, name: str, *, status: int) -> HttpResponse:
    if request.user.is_authenticated:
        return show(request, f"console/error_{name}.html", {"base": "console/base.html"}, status=status)
    return render(request, f"console/error_{name}.html", {"base": "console/plain.html"}, status=status)


def broken(request: HttpRequest) -> HttpResponse:
    """Say that a page could not be made, without the database; the number leads to the line in the log."""
    raw = "".join(secrets.choice(_LETTERS) for _ in range(7))
    number = f"{raw[:3]}-{raw[3:6]}-{raw[6:]}"
    logger.error("console.page_failed", extra={"support_number": number, "path": request.path})
    return render(
        request,
        "console/error_broken.html",
        {"number": number, "now": timezone.now(), "path": request.path},
        status=500,
    )
