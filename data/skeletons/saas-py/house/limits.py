"""How often one place or person may try."""

from collections.abc import Callable
from functools import wraps
from hashlib import sha256
from typing import Any

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

View = Callable[..., HttpResponse]


def address(request: HttpRequest) -> str:
    """Where the request comes from; the proxy's word counts only on its unix socket."""
    forwarded = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
    return str(request.META.get("REMOTE_ADDR") or forwarded)


def account(request: HttpRequest) -> str:
    """The account somebody tries to enter, as seen from one address."""
    return f"{address(request)} {request.POST.get('email', '').lower()}"


def person(request: HttpRequest) -> str:
    """Who is logged in."""
    return str(request.user.pk)


def limited(
    name: str, *, times: int, seconds: int, by: Callable[[HttpRequest], str]
) -> Callable[[View], View]:
    """Refuse (429) more than `times` POSTs in `seconds` of the same `by`."""

    def around(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.method == "POST" and _count(f"{name} {by(request)}", seconds) > times:
                answer = render(request, "house/too_many.html", status=429)
                answer["Retry-After"] = str(seconds)
                return answer
            return view(request, *args, **kwargs)

        return guarded

    return around


def _count(what: str, seconds: int) -> int:
    """How often this happened since the window began."""
    key = sha256(what.encode()).hexdigest()  # no personal data in the cache
    cache.add(key, 0, seconds)
    try:
        return cache.incr(key)
    except ValueError:  # the window ended between the two calls
        return 1
