"""Pages that only say something."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from house import plans

STYLE = (Path(__file__).parent / "house.css").read_text("utf-8")


def shared(request: HttpRequest) -> dict[str, Any]:
    """What every template knows."""
    return {
        "copy": settings.COPY,
        "name": settings.NAME,
        "support_mail": settings.SUPPORT_MAIL,
        "release": settings.RELEASE,
    }


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """What the product is, and what it costs."""
    return render(request, "house/home.html", {"plans": plans.all_plans()})


@require_safe
def privacy(request: HttpRequest) -> HttpResponse:
    """What is kept about people, and why."""
    return render(request, "house/privacy.html")


@require_safe
def terms(request: HttpRequest) -> HttpResponse:
    """What both sides agree to."""
    return render(request, "house/terms.html")


@require_safe
def support(request: HttpRequest) -> HttpResponse:
    """Where to get help."""
    return render(request, "house/support.html")


@require_safe
def stylesheet(request: HttpRequest) -> HttpResponse:
    """The look; its address carries the release, so it may be kept for long."""
    headers = {"Cache-Control": "public, max-age=86400"}
    return HttpResponse(STYLE, content_type="text/css; charset=utf-8", headers=headers)
