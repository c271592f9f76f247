"""REST doors of the ground: the installation, its health, people's tokens, facts and audit."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.callers import EVERYONE, KEEPERS, OWNERS, READERS, Caller, caller_of
from core.api.reading import Reason, Said
from core.api.routes import Doors
from core.api.rows import Door, Row, Rows, verb
from core.api.settings import SettingDoor
from core.errors import PeopleAlone
from core.models import AuditRow, DeviceToken, Event, Installation, Process
from core.registry import run_checks
from core.services import (
    business_now,
    drain,
    end_maintenance,
    issue_device_token,
    revoke_device_token,
    start_again,
    stop_everything,
)
from core.services.tokens import DAYS

Told = Mapping[str, Any]


class InstallationOut(Row[Installation]):
    """Whether it rehearses, whether it is stopped, what time it is in the story."""

    business_time = serializers.SerializerMethodField()
    state = serializers.ChoiceField(choices=Installation.State.choices)

    class Meta:
        """What is shown."""

        model = Installation
        fields = (
            "mode", "state", "stopped_at", "stopped_by", "draining_at", "drain_until", "maintenance_at", "drained_by",
            "time_zone", "created_at", "business_time",
        )  # fmt: skip

    def get_business_time(self, row: Installation) -> datetime:
        """Return business time."""
        return business_now()


class DrainIn(Said):
    """How long what runs may go on."""

    within_s = serializers.IntegerField(
        min_value=0, max_value=86_400, default=None, allow_null=True, help_text="Null: as the settings say."
    )


class InstallationDoor(Door):
    """The factory as a whole."""

    serializer_class = InstallationOut

    @extend_schema(responses=InstallationOut)
    def read(self, request: Request) -> Response:
        """Say how the factory stands."""
        return Response(InstallationOut(_here()).data)

    @verb(may=KEEPERS, takes=Reason, gives=InstallationOut, is_one=False)
    def stop(self, caller: Caller, said: Told) -> Installation:
        """Stop everything: no new work, no new model call; live products go on."""
        stop_everything(by=caller.name, reason=said["reason"])
        return _here()

    @verb(may=OWNERS, gives=InstallationOut, is_one=False)
    def start(self, caller: Caller, said: Told) -> Installation:
        """Let work go on after a stop."""
        start_again(by=caller.name)
        return _here()

    @verb(may=KEEPERS, takes=DrainIn, gives=InstallationOut, is_one=False)
    def drain(self, caller: Caller, said: Told) -> Installation:
        """Begin nothing new; what runs may end within this time, then maintenance follows."""
        drain(by=caller.name, within_s=said["within_s"])
        return _here()

    @verb(may=KEEPERS, gives=InstallationOut, is_one=False)
    def resume(self, caller: Caller, said: Told) -> Installation:
        """Let work begin again after a drain or maintenance; a stop stays."""
        end_maintenance(by=caller.name)
        return _here()


def _here() -> Installation:
    return Installation.objects.get()


class CheckOut(serializers.Serializer[Any]):
    """What one check found."""

    name = serializers.CharField()
    state = serializers.ChoiceField(choices=["fine", "warn", "fail"])
    words = serializers.CharField()
    cure = serializers.CharField(help_text="What to do about it; may be empty.")


class HealthOut(serializers.Serializer[Any]):
    """What all checks found; `state` is the worst of them."""

    state = serializers.ChoiceField(choices=["fine", "warn", "fail"])
    checks = CheckOut(many=True)


class HealthDoor(Door):
    """What every app says about itself."""

    serializer_class = HealthOut

    @extend_schema(responses=HealthOut)
    def read(self, request: Request) -> Response:
        """Ask every check once."""
        found = run_checks()
        checks = [
            {"name": name, "state": one.state, "words": one.words, "cure": one.cure}
            for name, one in found.items()
        ]
        states = {one.state for one in found.values()}
        worst = next((state for state in ("fail", "warn") if state in states), "fine")
        return Response(HealthOut({"state": worst, "checks": checks}).data)


class MeOut(serializers.Serializer[Any]):
    """Who calls, as the factory sees it."""

    name = serializers.CharField()
    role = serializers.CharField()
    attempt_id = serializers.UUIDField(allow_null=True)
    is_signed_in = serializers.BooleanField()


class MeDoor(Door):
    """Whoever calls."""

    may = EVERYONE
    serializer_class = MeOut

    @extend_schema(responses=MeOut)
    def read(self, request: Request) -> Response:
        """Say who calls and what counts for what they may do."""
        return Response(MeOut(caller_of(request)).data)


class TokenOut(Row[DeviceToken]):
    """One device's token, without its secret."""

    person = serializers.CharField(source="person.username")

    class Meta:
        """What is shown."""

        model = DeviceToken
        fields = ("id", "person", "name", "role", "created_at", "expires_at", "revoked_at", "last_used_at")


class NewTokenOut(serializers.Serializer[Any]):
    """A new token; its secret is told this once."""

    token = TokenOut()
    secret = serializers.CharField()


class TokenIn(Said):
    """Which device, and what it may do."""

    may_say = frozenset({"role"})

    name = serializers.CharField(max_length=60)
    role = serializers.ChoiceField(
        choices=DeviceToken.Role.choices, required=False, help_text="At most your own."
    )
    days = serializers.IntegerField(min_value=1, max_value=DAYS, default=DAYS)


class TokenDoor(Rows):
    """Your devices; the owner sees everybody's."""

    serializer_class = TokenOut
    queryset = DeviceToken.objects.select_related("person")

    def get_queryset(self) -> QuerySet[DeviceToken]:
        """Return what the caller may see."""
        caller = caller_of(self.request)
        rows: QuerySet[DeviceToken] = super().get_queryset()
        return rows if caller.role in OWNERS else rows.filter(person=caller.person)

    @verb(may=READERS, takes=TokenIn, gives=NewTokenOut, status=201, is_secret=True)
    def create(self, caller: Caller, said: Told) -> Told:
        """Make a token for one of your devices; only a person who is signed in may."""
        if caller.person is None or not caller.is_signed_in:
            raise PeopleAlone
        token, secret = issue_device_token(
            caller.person, name=said["name"], role=said.get("role", ""), days=said["days"], by=caller.name
        )
        return {"token": token, "secret": secret}

    @verb(may=READERS, gives=TokenOut)
    def revoke(self, caller: Caller, said: Told, pk: UUID) -> DeviceToken:
        """End a token from its next call on; others' only as the owner."""
        of = None if caller.role in OWNERS else caller.person
        return revoke_device_token(pk, by=caller.name, of=of)


class AuditOut(Row[AuditRow]):
    """Who did what to what, and how it ended."""

    class Meta:
        """What is shown."""

        model = AuditRow
        fields = ("id", "at", "actor", "verb", "subject", "outcome", "facts", "correlation_id")


class AuditDoor(Rows):
    """What was done, by whom; never changed."""

    serializer_class = AuditOut
    queryset = AuditRow.objects.all()
    filterset_fields = ("actor", "verb", "outcome", "correlation_id")


class EventOut(Row[Event]):
    """One fact and whether it was delivered."""

    class Meta:
        """What is shown."""

        model = Event
        fields = (
            "id", "sequence", "kind", "facts", "correlation_id", "created_at", "delivered_at", "tries", "parked_at", "error",
        )  # fmt: skip


class EventDoor(Rows):
    """Facts, in the order in which they became true."""

    serializer_class = EventOut
    queryset = Event.objects.all()
    filterset_fields = ("kind", "correlation_id")
    lookup_field = "id"


class ProcessOut(Row[Process]):
    """One running part of the factory."""

    class Meta:
        """What is shown."""

        model = Process
        fields = ("name", "kind", "queues", "started_at", "seen_at")


class ProcessDoor(Rows):
    """Processes of the factory, and when each was last seen."""

    serializer_class = ProcessOut
    queryset = Process.objects.all()
    filterset_fields = ("kind",)
    lookup_field = "name"
    lookup_value_converter = "str"


DOORS: Doors = {
    "installation": InstallationDoor,
    "health": HealthDoor,
    "me": MeDoor,
    "tokens": TokenDoor,
    "audit": AuditDoor,
    "events": EventDoor,
    "processes": ProcessDoor,
    "settings": SettingDoor,
}
