"""What happens to every request."""

import logging
import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

logger = logging.getLogger(__name__)
Answer = Callable[[HttpRequest], HttpResponse]


def log_requests(answer: Answer) -> Answer:
    """Write one line for each request: which page, how it ended, how long it took. Never an address: it may hold a secret."""

    def timed(request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        response = answer(request)
        match = request.resolver_match
        facts = {
            "method": request.method,
            "route": match.route if match else "",
            "status": response.status_code,
            "ms": round((time.perf_counter() - began) * 1000, 1),
        }
        logger.info("web.request_answered", extra=facts)
        return response

    return timed
