"""Money in the Django admin: to look at."""

from django.contrib import admin

from billing.models import (
    CostHour,
    Entry,
    Hold,
    Limit,
    MoneyAlert,
    Overage,
    Pace,
    RaiseAsked,
    RevenueEvent,
    Scope,
    Switch,
    Window,
)
from core.admin import ReadOnlyAdmin, in_usd


@admin.register(Scope)
class ScopeAdmin(ReadOnlyAdmin):
    """Whose money it is."""

    list_display = ("label", "kind", "ref", "owner", "mode", "opened_at")
    list_filter = ("kind", "opened_at", "mode")
    list_select_related = ("owner",)
    search_fields = ("id", "label", "ref", "correlation_id")


@admin.register(Limit)
class LimitAdmin(ReadOnlyAdmin):
    """What may be spent."""

    list_display = (
        "scope",
        "period",
        in_usd("cap_microusd"),
        "until",
        in_usd("returns_to_microusd"),
        "set_by",
    )
    list_filter = ("period", "scope__kind")
    list_select_related = ("scope",)
    search_fields = ("scope__label", "scope__ref")


@admin.register(Window)
class WindowAdmin(ReadOnlyAdmin):
    """How much of it is taken."""

    list_display = (
        "scope",
        "period",
        "starts_at",
        in_usd("cap_microusd"),
        in_usd("spent_microusd"),
        in_usd("held_microusd"),
    )
    list_filter = ("period", "starts_at", "scope__kind")
    list_select_related = ("scope",)
    search_fields = ("scope__label", "scope__ref")


@admin.register(Hold)
class HoldAdmin(ReadOnlyAdmin):
    """Calls on their way, and how they ended."""

    list_display = (
        "call_id",
        in_usd("bound_microusd"),
        "state",
        "owner",
        "placed_at",
        "expires_at",
        "settled_at",
    )
    list_filter = ("state", "placed_at")
    search_fields = ("call_id", "owner", "correlation_id")


@admin.register(RaiseAsked)
class RaiseAskedAdmin(ReadOnlyAdmin):
    """Raises so large that they are confirmed twice."""

    list_display = ("limit", in_usd("cap_microusd"), "by", "asked_at", "done_at")
    list_filter = ("asked_at",)
    list_select_related = ("limit__scope",)
    search_fields = ("by", "limit__scope__label")


@admin.register(Switch)
class SwitchAdmin(ReadOnlyAdmin):
    """What was switched off, by whom, why and until when."""

    list_display = ("kind", "ref", "by", "reason", "set_at", "until", "cleared_at", "cleared_by")
    list_filter = ("kind", "is_auto", "set_at")
    search_fields = ("ref", "by", "reason")


@admin.register(Pace)
class PaceAdmin(ReadOnlyAdmin):
    """What was spent within ten seconds."""

    list_display = ("scope", "slot", in_usd("amount_microusd"))
    list_filter = ("scope__kind",)
    list_select_related = ("scope",)
    search_fields = ("scope__label",)


@admin.register(Entry)
class EntryAdmin(ReadOnlyAdmin):
    """What was spent."""

    list_display = ("at", "scope", "kind", in_usd("amount_microusd"), "is_lost", "agent", "mode")
    list_filter = ("at", "kind", "is_lost", "mode")
    list_select_related = ("scope",)
    search_fields = ("=ref", "=correlation_id", "=call_id", "=agent")
    ordering = ("-at",)


@admin.register(CostHour)
class CostHourAdmin(ReadOnlyAdmin):
    """What the ledger adds up to, by hour."""

    list_display = ("day", "hour", "scope", "kind", "agent", "item", in_usd("amount_microusd"), "entries")
    list_filter = ("day", "kind")
    list_select_related = ("scope",)
    search_fields = ("agent", "item", "scope__label", "correlation_id")


@admin.register(Overage)
class OverageAdmin(ReadOnlyAdmin):
    """Bills above what was authorised."""

    list_display = ("at", "scope", "call_id", in_usd("bound_microusd"), in_usd("excess_microusd"))
    list_filter = ("at",)
    list_select_related = ("scope",)
    search_fields = ("call_id", "scope__label")


@admin.register(RevenueEvent)
class RevenueEventAdmin(ReadOnlyAdmin):
    """What came in."""

    list_display = ("at", "scope", "kind", "amount_minor", "currency", in_usd("amount_microusd"), "mode")
    list_filter = ("at", "kind", "provider", "mode")
    list_select_related = ("scope",)
    search_fields = ("provider_event_id", "correlation_id", "scope__label")


@admin.register(MoneyAlert)
class MoneyAlertAdmin(ReadOnlyAdmin):
    """What the owner was told of money."""

    list_display = ("at", "scope", "rule", "line", "level", "amount_microusd", "limit_microusd")
    list_filter = ("at", "rule", "level")
    list_select_related = ("scope",)
    search_fields = ("scope__label", "scope__ref")
