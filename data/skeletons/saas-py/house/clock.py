"""The only clock of the product."""

from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime

from django.conf import settings
from django.http import HttpRequest, HttpResponse

_moved: ContextVar[datetime | None] = ContextVar("moved", default=None)


def now() -> datetime:
    """This moment, aware, in UTC."""
    return _moved.get() or datetime.now(UTC)


class TestClock:
    """Lets a test say what time it is, by the header X-Test-Now, in test mode only."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request at the time it names."""
        said = request.headers.get("X-Test-Now") if settings.TEST else None
        if not said:
            return self.get_response(request)
        try:
            moment = datetime.fromisoformat(said)
        except ValueError:
            return HttpResponse("X-Test-Now must be an ISO time.", status=400)
        token = _moved.set(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
        try:
            return self.get_response(request)
        finally:
            _moved.reset(token)
