"""What comes in: JSON alone, no more than agreed, nothing that pretends to be somebody."""

import re
from collections.abc import Mapping
from typing import IO, Any, Final

from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser
from rest_framework.request import Request

from core.errors import IdentityInBody, TooLarge

MAX_BODY_BYTES: Final = 2_000_000
IDENTITY: Final = frozenset(
    {
        "agent", "agent_id", "agent_name", "asked_by", "by", "created_by", "creator", "actor", "owner", "resolver", "resolved_by",
        "reviewer", "role", "tools", "trust", "trust_level", "user", "user_id", "worker",
    }
)  # fmt: skip
"""Fields that would say who calls or what it may do. Source: R-20.31."""
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class Body(JSONParser):
    """JSON that every database can keep: no NUL, no half characters, not nested without end."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Read it whole.

        Raises:
            ParseError: it is not such JSON.
        """
        try:
            said = super().parse(stream, media_type, parser_context)
            is_storable = _is_storable(said)
        except RecursionError:
            raise ParseError(detail="This is nested too deep.") from None
        if not is_storable:
            raise ParseError(detail="A text holds a NUL or half a character.")
        return said


def _is_storable(value: object) -> bool:
    if isinstance(value, str):
        return _UNSTORABLE.search(value) is None
    if isinstance(value, Mapping):
        return all(_is_storable(name) and _is_storable(one) for name, one in value.items())
    return all(_is_storable(one) for one in value) if isinstance(value, list) else True


def check_size(request: Request) -> None:
    """Refuse a body before it is read.

    Raises:
        TooLarge: it says itself that it is too large.
    """
    size = int(request.META.get("CONTENT_LENGTH") or 0)
    if size > MAX_BODY_BYTES:
        raise TooLarge(size_bytes=size, at_most=MAX_BODY_BYTES)


class Said(serializers.Serializer[Any]):
    """The body of a call: these fields and no others. What bears a name of identity is noted and refused."""

    may_say: frozenset[str] = frozenset()
    """Fields that sound like identity and are none here, e.g. the role of a token to be made."""

    def to_internal_value(self, data: Any) -> Any:
        """Return what was said.

        Raises:
            IdentityInBody: it says who calls.
        """
        if isinstance(data, Mapping):
            if claimed := (data.keys() & IDENTITY) - self.may_say:
                raise IdentityInBody(fields=", ".join(sorted(claimed)))
            if strange := data.keys() - self.fields.keys():
                raise serializers.ValidationError(
                    {name: ["Unknown field."] for name in map(str, sorted(strange))}
                )
        return super().to_internal_value(data)


class Nothing(Said):
    """No field at all."""


class Reason(Said):
    """Why, in words."""

    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


class Versioned(Said):
    """As somebody read it: `version` here or in If-Match; without one, whatever it is at."""

    version = serializers.IntegerField(
        min_value=0, max_value=2**31 - 1, required=False, default=None, allow_null=True
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Take the version from the header where the body has none."""
        said = self.context["request"].headers.get("If-Match", "").strip().removeprefix("W/").strip('"')
        if attrs["version"] is None and said:
            if not said.isascii() or not said.isdigit() or len(said) > 9:
                raise serializers.ValidationError({"If-Match": ["A version is a whole number."]})
            attrs["version"] = int(said)
        return attrs
