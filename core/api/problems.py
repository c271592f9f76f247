"""Refusals on the wire: one shape for all of them. Source: RFC 9457, R-20.21."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, OperationalError
from django.http import Http404
from rest_framework import exceptions, serializers
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.callers import caller_of
from core.errors import FactoryError, IdentityInBody
from core.models import AuditRow
from core.services import audit

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Problem:
    """One refusal; `facts` never hold a secret."""

    status: int
    code: str
    detail: str
    advice: str = ""
    is_retryable: bool = False
    facts: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> dict[str, Any]:
        """What is sent."""
        return {
            "type": f"urn:agentic-factory:{self.code.lower()}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            "advice": self.advice,
            "retryable": self.is_retryable,
            "facts": self.facts,
        }


class ProblemOut(serializers.Serializer[Any]):
    """Why nothing was done."""

    type = serializers.CharField(help_text="Name of the kind of problem; no address.")
    title = serializers.CharField(help_text="The status in words.")
    status = serializers.IntegerField()
    code = serializers.CharField(help_text="A constant to decide by.")
    detail = serializers.CharField(help_text="A sentence for people.")
    advice = serializers.CharField(help_text="What to do about it; may be empty.")
    retryable = serializers.BooleanField(help_text="Whether the same call may succeed later.")
    facts = serializers.DictField(help_text="What the sentence is about.")


class ProblemRenderer(JSONRenderer):
    """JSON that says it is a problem."""

    media_type = "application/problem+json"
    format = "problem"


def answer_problem(error: Exception, context: Mapping[str, Any]) -> Response:
    """Return the answer to anything raised behind a REST door."""
    request: Request = context["request"]
    if isinstance(error, IdentityInBody):
        _note_identity(request, error)
    problem = problem_of(error)
    if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error("api.failed", exc_info=error, extra={"path": request.path, "code": problem.code})
    answer = Response(problem.body, status=problem.status, headers=dict(problem.headers))
    request.accepted_renderer = ProblemRenderer()
    request.accepted_media_type = ProblemRenderer.media_type
    answer.exception = True
    return answer


def _note_identity(request: Request, error: IdentityInBody) -> None:
    """Whoever says who he is may be trying to be somebody else. Source: R-20.31."""
    audit(
        actor=caller_of(request).name,
        verb="api.identity_in_body",
        subject=f"{request.method} {request.path}",
        outcome=AuditRow.Outcome.DENIED,
        **error.facts,
    )


def problem_of(error: Exception) -> Problem:
    """Return how this is said; what nobody foresaw is said without a word about the inside."""
    if isinstance(error, FactoryError):
        return _refusal(error)
    if isinstance(error, exceptions.APIException):
        return _protocol(error)
    if isinstance(error, Http404):
        return Problem(404, "NOT_FOUND", "There is no such thing here.")
    if isinstance(error, PermissionDenied):
        return Problem(403, "FORBIDDEN", "This role may not do that.")
    if isinstance(error, OperationalError):
        return Problem(503, "UNAVAILABLE", "The database does not answer just now.", is_retryable=True)
    return Problem(
        500,
        "BROKEN",
        "Something broke here; it is written down.",
        is_retryable=isinstance(error, DatabaseError),
    )


def _refusal(error: FactoryError) -> Problem:
    wait_s = error.facts.get("wait_s")
    return Problem(
        status=error.http_status,
        code=error.code,
        detail=error.sentence,
        advice=error.advice,
        is_retryable=error.is_retryable,
        facts={
            name: value if isinstance(value, int | float | bool) else str(value)
            for name, value in error.facts.items()
        },
        headers={} if wait_s is None else {"Retry-After": str(wait_s)},
    )


_PROTOCOL: Mapping[type[exceptions.APIException], tuple[str, str]] = {
    exceptions.NotAuthenticated: (
        "NOT_AUTHENTICATED",
        "Send `Authorization: Bearer` with a token, or sign in.",
    ),
    exceptions.AuthenticationFailed: (
        "NOT_AUTHENTICATED",
        "Send `Authorization: Bearer` with a token, or sign in.",
    ),
    exceptions.PermissionDenied: ("FORBIDDEN", ""),
    exceptions.NotFound: ("NOT_FOUND", ""),
    exceptions.MethodNotAllowed: ("METHOD_NOT_ALLOWED", ""),
    exceptions.NotAcceptable: ("NOT_ACCEPTABLE", "Accept application/json."),
    exceptions.UnsupportedMediaType: ("UNSUPPORTED_MEDIA_TYPE", "Send application/json."),
    exceptions.ParseError: ("UNREADABLE", "Send JSON."),
    exceptions.ValidationError: ("BAD_ARGUMENTS", ""),
}


def _protocol(error: exceptions.APIException) -> Problem:
    code, advice = _PROTOCOL.get(type(error), ("REFUSED", ""))
    comes_back_by = getattr(error, "auth_header", "")
    headers = {"WWW-Authenticate": comes_back_by} if comes_back_by else {}
    if isinstance(error, exceptions.ValidationError):
        return Problem(
            400, code, "These arguments do not fit what was asked.", facts={"fields": error.detail}
        )
    return Problem(error.status_code, code, str(error.detail), advice, headers=headers)
