"""REST doors of what an owner may set while the factory runs."""

from collections.abc import Mapping
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.callers import OWNERS, Caller
from core.api.reading import Said, Versioned
from core.api.rows import Door, verb
from core.models import SettingValue
from core.registry import SETTINGS
from core.services.settings import change_setting, revert_setting

Told = Mapping[str, Any]


class SettingOut(serializers.Serializer[Any]):
    """One setting, the value in force and its version; 0 is the default before the first change."""

    key = serializers.CharField()
    title = serializers.CharField()
    words = serializers.CharField()
    may_be = serializers.CharField()
    value = serializers.CharField()
    default = serializers.CharField()
    version = serializers.IntegerField()


class SettingIn(Versioned):
    """The new value, and why."""

    value = serializers.CharField(max_length=200)
    why = serializers.CharField(max_length=300, required=False, default="", allow_blank=True)


class RevertIn(Said):
    """The version whose value is wanted back; 0: the default."""

    to_version = serializers.IntegerField(min_value=0, max_value=2**31 - 1)


class SettingDoor(Door):
    """What an owner may set."""

    serializer_class = SettingOut
    queryset = SettingValue.objects.all()
    pagination_class = None
    lookup_field = "key"
    lookup_value_converter = "str"

    @extend_schema(responses=SettingOut(many=True))
    def read(self, request: Request) -> Response:
        """Give every setting with the value in force."""
        rows = {row.key: row for row in SettingValue.objects.in_force()}
        return Response(SettingOut([_shown(key, rows.get(key)) for key in SETTINGS], many=True).data)

    @verb(may=OWNERS, takes=SettingIn, gives=SettingOut)
    def change(self, caller: Caller, said: Told, key: str) -> Told:
        """Put a value in force, if the version is still the one that was shown."""
        change_setting(key, said["value"], by=caller.name, why=said["why"], version=said["version"])
        return _shown(key, SettingValue.objects.in_force().filter(key=key).first())

    @verb(may=OWNERS, takes=RevertIn, gives=SettingOut)
    def revert(self, caller: Caller, said: Told, key: str) -> Told:
        """Put back what was in force at a version."""
        revert_setting(key, to_version=said["to_version"], by=caller.name)
        return _shown(key, SettingValue.objects.in_force().filter(key=key).first())


def _shown(key: str, row: SettingValue | None) -> Told:
    known = SETTINGS[key]
    return {
        "key": key,
        "title": known.label,
        "words": known.words,
        "may_be": known.range_words,
        "value": str(row.value if row else known.default),
        "default": str(known.default),
        "version": row.version if row else 0,
    }
