"""A refusal in the words of each protocol: one that engines do not try again."""

from typing import Final

from django.http import JsonResponse

from agents.gateway.errors import AllProvidersDown, DoorBroke, ProviderFault, RateLimited
from billing.errors import BudgetExceeded
from core.errors import FactoryError, TokenEnded
from core.registry import Json

_STATUS: tuple[tuple[type[FactoryError], int], ...] = (
    (RateLimited, 429),
    (AllProvidersDown, 503),
    (DoorBroke, 500),
)
"""What is no fault of the request keeps its own status; all else is 400: engines storm on 401, 402, 422 and 5xx."""

NOT_AGAIN: Final = {"x-should-retry": "false"}


def refuse(refusal: FactoryError, *, speech: str) -> JsonResponse:
    """Return the refusal as an answer; whoever asked must not try the same again."""
    return JsonResponse(told(refusal, speech=speech), status=status_of(refusal), headers=NOT_AGAIN)


def status_of(refusal: FactoryError) -> int:
    """Return the HTTP status of a refusal."""
    return next((status for kind, status in _STATUS if isinstance(refusal, kind)), 400)


def told(refusal: FactoryError, *, speech: str) -> Json:
    """Return the refusal as this protocol tells an error; which limit, what is left and when it resets are facts of it."""
    words = f"{refusal.sentence} {refusal.advice}".strip()
    error: Json = {"type": _type(refusal), "message": words, "code": refusal.code}
    if facts := {name: str(value) for name, value in refusal.facts.items()}:
        error["facts"] = facts
    return {"type": "error", "error": error} if speech == "anthropic" else {"error": {**error, "param": None}}


def _type(refusal: FactoryError) -> str:
    """The word both protocols have for it."""
    if isinstance(refusal, BudgetExceeded):
        return "billing_error"
    if isinstance(refusal, TokenEnded):
        return "authentication_error"
    if isinstance(refusal, RateLimited):
        return "rate_limit_error"
    is_ours = isinstance(refusal, AllProvidersDown | ProviderFault | DoorBroke)
    return "api_error" if is_ours else "invalid_request_error"
