"""The page on which every operation can be read and tried."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe
from drf_spectacular.views import SpectacularAPIView

from core.api.rows import Ground


class SchemaView(Ground, SpectacularAPIView):
    """The OpenAPI document."""

    renderer_classes = SpectacularAPIView.renderer_classes
    schema = None


@ensure_csrf_cookie
@never_cache
@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """Show the operations; whoever is signed in tries them as themselves."""
    return render(request, "core/api_docs.html")
