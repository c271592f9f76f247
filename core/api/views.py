"""The page on which every operation can be read and tried."""

from functools import lru_cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import ensure_csrf_cookie
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.views import SpectacularAPIView
from rest_framework.request import Request

from core.api.rows import Ground


@lru_cache(maxsize=1)
def document() -> Any:
    """Return the OpenAPI document, made once in a process."""
    return SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]


class MadeOnce(SchemaGenerator):
    """Gives the document that was made before."""

    def get_schema(self, request: Request | None = None, public: bool = False) -> Any:  # noqa: FBT001, FBT002 (the library's own signature)
        """Return the whole document, whoever asks."""
        return document()


class SchemaView(Ground, SpectacularAPIView):
    """The OpenAPI document."""

    generator_class = MadeOnce
    renderer_classes = SpectacularAPIView.renderer_classes
    schema = None


@ensure_csrf_cookie
@never_cache
@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """Show the operations; whoever is signed in tries them as themselves."""
    return render(request, "core/api_docs.html")
