"""The door for payment processors."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from billing.services import receive_payment
from core.errors import FactoryError


@csrf_exempt
@login_not_required
@require_POST
def pay_hook(request: HttpRequest) -> JsonResponse:
    """Take one signed message of the test processor: 200 kept (also when it came before), 401 unsigned, 400 old."""
    try:
        rows = receive_payment(request.body, signature=request.headers.get("X-Pay-Signature", ""))
    except FactoryError as refusal:
        return JsonResponse({"code": refusal.code, "error": refusal.sentence}, status=refusal.http_status)
    return JsonResponse({"kept": [row.provider_event_id for row in rows]})
