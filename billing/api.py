"""REST doors of money: all to read; what may be changed by hand is a limit."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from rest_framework import serializers

from billing.models import (
    Entry,
    Hold,
    Limit,
    MoneyAlert,
    Overage,
    Period,
    RevenueEvent,
    Scope,
    Window,
)
from billing.services import change_limit
from core.api.callers import KEEPERS, OWNERS, Caller
from core.api.reading import Said
from core.api.routes import Doors
from core.api.rows import Row, Rows, verb


class ScopeOut(Row[Scope]):
    """One address of money."""

    class Meta:
        """What is shown."""

        model = Scope
        fields = ("id", "kind", "ref", "label", "parent", "correlation_id", "mode", "opened_at")


class LimitOut(Row[Limit]):
    """What a scope may spend in each period of a kind."""

    class Meta:
        """What is shown."""

        model = Limit
        fields = ("id", "scope", "period", "cap_microusd", "until", "returns_to_microusd", "set_by", "why")


class LimitIn(Said):
    """The new cap of a limit that exists, why, and until when (business time) a raise shall last."""

    period = serializers.ChoiceField(choices=Period.choices)
    cap_microusd = serializers.IntegerField(min_value=0, max_value=10**15)
    why = serializers.CharField(max_length=300, required=False, default="", allow_blank=True)
    until = serializers.DateTimeField(required=False, default=None, allow_null=True)


class ScopeDoor(Rows):
    """Whose money it is."""

    serializer_class = ScopeOut
    queryset = Scope.objects.all()
    filterset_fields = ("kind", "ref", "correlation_id")

    @verb(may=KEEPERS, takes=LimitIn, gives=LimitOut, is_repeatable=True)
    def limit(self, caller: Caller, said: Mapping[str, Any], pk: UUID) -> Limit:
        """Lower a limit; the owner, freshly signed in and not by a token, may also raise it, and says why."""
        fresh_at = caller.person.last_login if caller.person and caller.is_signed_in else None
        may_raise = caller.role in OWNERS
        return change_limit(self.get_object(), **said, by=caller.name, may_raise=may_raise, fresh_at=fresh_at)


class LimitDoor(Rows):
    """What may be spent."""

    serializer_class = LimitOut
    queryset = Limit.objects.all()
    filterset_fields = ("scope", "period")


class WindowOut(Row[Window]):
    """One period of one limit, and how much of it is taken."""

    used_share = serializers.FloatField()

    class Meta:
        """What is shown."""

        model = Window
        fields = (
            "id", "scope", "period", "starts_at", "ends_at", "cap_microusd", "amount_microusd", "spent_microusd",
            "held_microusd", "used_share",
        )  # fmt: skip


class WindowDoor(Rows):
    """What is spent and held in each period."""

    serializer_class = WindowOut
    queryset = Window.objects.all()
    filterset_fields = ("scope", "period")


class HoldOut(Row[Hold]):
    """The worst case of one call, kept aside."""

    class Meta:
        """What is shown."""

        model = Hold
        fields = (
            "call_id", "bound_microusd", "state", "owner", "correlation_id", "payer", "agent", "provider", "model", "placed_at", "expires_at", "settled_at",
        )  # fmt: skip


class HoldDoor(Rows):
    """What is kept aside for calls on their way."""

    serializer_class = HoldOut
    queryset = Hold.objects.all()
    filterset_fields = ("state", "call_id", "correlation_id")


class EntryOut(Row[Entry]):
    """One cost, booked once."""

    class Meta:
        """What is shown."""

        model = Entry
        fields = (
            "id", "scope", "kind", "ref", "amount_microusd", "is_lost", "at", "call_id", "agent", "correlation_id", "mode", "facts",
            "original_minor", "currency", "rate", "rate_on",
        )  # fmt: skip


class LedgerDoor(Rows):
    """Every cost; rows are added, never changed."""

    serializer_class = EntryOut
    queryset = Entry.objects.all()
    filterset_fields = ("scope", "kind", "agent", "call_id", "correlation_id", "is_lost")


class OverageOut(Row[Overage]):
    """What a bill said above what was authorised."""

    class Meta:
        """What is shown."""

        model = Overage
        fields = ("id", "call_id", "scope", "bound_microusd", "excess_microusd", "at", "facts")


class OverageDoor(Rows):
    """Bills above their bound; a person looks at every one."""

    serializer_class = OverageOut
    queryset = Overage.objects.all()
    filterset_fields = ("scope", "call_id")


class MoneyAlertOut(Row[MoneyAlert]):
    """One line that money passed, told once for each period."""

    class Meta:
        """What is shown."""

        model = MoneyAlert
        fields = (
            "id",
            "scope",
            "rule",
            "line",
            "starts_at",
            "level",
            "amount_microusd",
            "limit_microusd",
            "at",
        )


class MoneyAlertDoor(Rows):
    """What the owner was told of money."""

    serializer_class = MoneyAlertOut
    queryset = MoneyAlert.objects.all()
    filterset_fields = ("scope", "rule", "level")


class RevenueOut(Row[RevenueEvent]):
    """One thing a payment processor told."""

    class Meta:
        """What is shown."""

        model = RevenueEvent
        fields = (
            "id", "scope", "provider", "provider_event_id", "kind", "amount_minor", "currency", "amount_microusd", "at",
            "correlation_id", "mode",
        )  # fmt: skip


class RevenueDoor(Rows):
    """What came in, and went back."""

    serializer_class = RevenueOut
    queryset = RevenueEvent.objects.all()
    filterset_fields = ("scope", "provider", "kind", "correlation_id")


DOORS: Doors = {
    "scopes": ScopeDoor,
    "limits": LimitDoor,
    "windows": WindowDoor,
    "holds": HoldDoor,
    "ledger": LedgerDoor,
    "overages": OverageDoor,
    "money-alerts": MoneyAlertDoor,
    "revenue": RevenueDoor,
}
