"""Search: a few letters of a name lead to the thing."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from factory.console.views.frame import show
from factory.insight.services import search

MOST_LETTERS = 80


@never_cache
@require_safe
def find(request: HttpRequest) -> HttpResponse:
    """Show what has the asked letters in its name."""
    asked = request.GET.get("q", "")[:MOST_LETTERS].strip()
    return show(request, "console/search.html", {"asked": asked, "hits": search(asked)}, place="search")
