"""What the OpenAPI document says of every operation beside its own words."""

from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import Direction, OpenApiParameter

from core.api.callers import roles_of
from core.api.problems import ProblemOut
from core.api.reading import Versioned

KEY_HEADER = "Idempotency-Key"
READING = {
    "400": "The question was not understood.",
    "401": "Nobody we know.",
    "403": "This role may not do that.",
    "404": "There is no such thing here.",
    "406": "Only JSON is spoken here.",
    "429": "Too many calls in this minute.",
    "503": "Something it needs does not answer just now.",
}
CHANGING = READING | {
    "402": "There is no money for it.",
    "409": "Its state does not allow it, or it was changed meanwhile.",
    "413": "Too large.",
    "415": "Only JSON is understood here.",
    "422": "It was understood, but what it says cannot be: a key that does not work, a limit above the ceiling.",
}
SCHEMES = {
    "token": {"type": "http", "scheme": "bearer"},
    "session": {"type": "apiKey", "in": "cookie", "name": "sessionid"},
}
KEY = OpenApiParameter(
    KEY_HEADER,
    str,
    OpenApiParameter.HEADER,
    description="A repeat under the same key within 24 hours is answered as the first and does nothing.",
)
IF_MATCH = OpenApiParameter(
    "If-Match",
    str,
    OpenApiParameter.HEADER,
    description="The version at which it was read, as its ETag says.",
)


def add_parts(result: dict[str, Any], **said: Any) -> dict[str, Any]:
    """Add to the finished document what all operations share: how callers are known, how a refusal is said."""
    shown = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemOut"}}}
    result["components"]["securitySchemes"] = SCHEMES
    result["components"]["responses"] = {
        f"Refused{status}": {"description": words, "content": shown} for status, words in CHANGING.items()
    }
    return result


class Schema(AutoSchema):
    """Adds who may, how it may be refused, and the key for repeats."""

    def get_extensions(self) -> dict[str, Any]:
        """Say who may."""
        return {**super().get_extensions(), "x-may": sorted(roles_of(self.view))}

    def get_auth(self) -> list[dict[str, Any]]:
        """Say how callers are known: tokens of every kind are sent alike."""
        return [{name: []} for name in SCHEMES]

    def get_operation_id(self) -> str:
        """Name the operation by what it is of and what it does: `tasks_cancel`."""
        view: Any = self.view
        return f"{view.basename}_{view.action}".replace("-", "_")

    def get_override_parameters(self) -> list[Any]:
        """Offer the key wherever something is changed."""
        reads = self.get_request_serializer()
        is_versioned = isinstance(reads, type) and issubclass(reads, Versioned)
        more = [KEY] * (self.method == "POST") + [IF_MATCH] * is_versioned
        return [*super().get_override_parameters(), *more]

    def _get_response_bodies(self, direction: Direction = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        self.resolve_serializer(ProblemOut, "response")
        for status in READING if self.method == "GET" else CHANGING:
            bodies.setdefault(status, {"$ref": f"#/components/responses/Refused{status}"})
        return dict(sorted(bodies.items()))
