"""The door for senders outside."""

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from core.errors import FactoryError
from factory.pipeline.errors import IdeaTooLong
from factory.pipeline.services import receive_call


@csrf_exempt
@login_not_required
@require_POST
def wish_hook(request: HttpRequest, name: str) -> JsonResponse:
    """Take one signed message: 201 kept, 200 it came before, 401 unsigned, 413 too long, 429 too many. Source: R-01.1."""
    try:
        call, is_new = receive_call(
            name, _body(request), signature=request.headers.get("X-Factory-Signature", "")
        )
    except FactoryError as refusal:
        said = {"code": refusal.code, "error": refusal.sentence}
        return JsonResponse(said, status=refusal.http_status)
    return JsonResponse({"kept": str(call.pk)}, status=201 if is_new else 200)


def _body(request: HttpRequest) -> bytes:
    try:
        return request.body
    except RequestDataTooBig:
        raise IdeaTooLong from None
