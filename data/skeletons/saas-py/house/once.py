"""A POST sent twice with the same Idempotency-Key is done once."""

from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256

from django.db import transaction
from django.http import HttpRequest, HttpResponse

from house import clock
from house.models import KeptAnswer

KEPT_FOR = timedelta(days=1)


class OnceOnly:
    """Keeps the good answer to a signed-in person's key for a day and gives it again.

    Work and kept answer are one transaction: after a crash either both are there or none.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer, or answer again."""
        key = request.headers.get("Idempotency-Key")
        if request.method != "POST" or not key or not request.user.is_authenticated:
            return self.get_response(request)
        if len(key) > 100:
            return HttpResponse("An Idempotency-Key has at most 100 characters.", status=400)
        asked = sha256(request.get_full_path().encode() + b"\n" + request.body).hexdigest()
        with transaction.atomic():
            mine = KeptAnswer.objects.filter(owner=request.user, key=key)
            mine.filter(created_at__lt=clock.now() - KEPT_FOR).delete()
            if kept := mine.first():
                return _again(kept, asked)
            answer = self.get_response(request)
            if answer.status_code >= 500:
                transaction.set_rollback(True)
            elif answer.status_code < 400:
                _keep(request, key, asked, answer)
        return answer


def _keep(request: HttpRequest, key: str, asked: str, answer: HttpResponse) -> None:
    headers = {name: answer[name] for name in ("Content-Type", "Location") if name in answer}
    KeptAnswer.objects.create(
        owner_id=request.user.pk,
        key=key,
        asked=asked,
        status=answer.status_code,
        headers=headers,
        body=answer.content,
    )


def _again(kept: KeptAnswer, asked: str) -> HttpResponse:
    if kept.asked != asked:
        return HttpResponse("This Idempotency-Key was used for another request.", status=422)
    return HttpResponse(bytes(kept.body), status=kept.status, headers=kept.headers)
