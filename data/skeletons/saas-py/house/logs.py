"""Logs: one JSON object a line; a request is its route, never its address, query or person."""

import json
import logging
import time
import traceback
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest, HttpResponse

logger = logging.getLogger(__name__)
STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "request"}


class RequestLog:
    """Writes one line per request: method, route, status, ms, request id."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer, and say how it went."""
        began = time.perf_counter()
        said = request.headers.get("X-Request-Id", "")
        request_id = said if said.replace("-", "").isalnum() and len(said) <= 64 else uuid.uuid4().hex
        answer = self.get_response(request)
        answer["X-Request-Id"] = request_id
        route = getattr(request.resolver_match, "route", None)
        facts = {
            "method": request.method,
            "route": "unknown" if route is None else f"/{route}",
            "status": answer.status_code,
            "ms": round((time.perf_counter() - began) * 1000, 1),
            "request_id": request_id,
        }
        logger.info("request", extra=facts)
        return answer


class JsonLine(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """The event's name and facts; of an error its kind and places."""
        # Django fills addresses into its messages: only the logger's name is kept of those.
        own = not record.name.startswith("django")
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage() if own else record.name,
            "release": settings.RELEASE,
            **{name: value for name, value in vars(record).items() if name not in STANDARD},
        }
        line.pop("color_message", None)
        if record.exc_info and record.exc_info[1]:
            line |= _error(record.exc_info[1])
        return json.dumps(line, default=str)


def _error(problem: BaseException) -> dict[str, object]:
    """What went wrong and where; the message, which may hold personal data, in test mode only."""
    frames = traceback.extract_tb(problem.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(settings.BASE_DIR)]
    places = [
        f"{Path(f.filename).relative_to(settings.BASE_DIR)}:{f.lineno} {f.name}" for f in ours or frames[:0]
    ]
    return {"error": type(problem).__name__, "where": places} | (
        {"message": str(problem)} if settings.TEST else {}
    )
