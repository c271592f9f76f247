"""Money in the Django admin: to look at."""

from django.contrib import admin

from billing.models import Entry, Hold, Limit, Overage, RevenueEvent, Scope, Window
from core.admin import ReadOnlyAdmin


@admin.register(Scope)
class ScopeAdmin(ReadOnlyAdmin):
    """Whose money it is."""

    list_display = ("label", "kind", "ref", "mode", "opened_at")
    list_filter = ("kind", "mode")
    search_fields = ("label", "ref")


@admin.register(Limit)
class LimitAdmin(ReadOnlyAdmin):
    """What may be spent."""

    list_display = ("scope", "period", "cap_microusd")
    list_filter = ("period", "scope__kind")
    list_select_related = ("scope",)


@admin.register(Window)
class WindowAdmin(ReadOnlyAdmin):
    """How much of it is taken."""

    list_display = ("scope", "period", "starts_at", "cap_microusd", "spent_microusd", "held_microusd")
    list_filter = ("period", "scope__kind")
    list_select_related = ("scope",)


@admin.register(Hold)
class HoldAdmin(ReadOnlyAdmin):
    """Calls on their way, and how they ended."""

    list_display = ("call_id", "bound_microusd", "state", "owner", "placed_at", "expires_at")
    list_filter = ("state",)


@admin.register(Entry)
class EntryAdmin(ReadOnlyAdmin):
    """What was spent."""

    list_display = ("at", "scope", "kind", "amount_microusd", "is_lost", "agent", "mode")
    list_filter = ("kind", "is_lost", "mode", "agent")
    list_select_related = ("scope",)
    search_fields = ("ref", "correlation_id")


@admin.register(Overage)
class OverageAdmin(ReadOnlyAdmin):
    """Bills above what was authorised."""

    list_display = ("at", "scope", "call_id", "bound_microusd", "excess_microusd")
    list_select_related = ("scope",)


@admin.register(RevenueEvent)
class RevenueEventAdmin(ReadOnlyAdmin):
    """What came in."""

    list_display = ("at", "scope", "kind", "amount_minor", "currency", "amount_microusd", "mode")
    list_filter = ("kind", "mode", "provider")
    list_select_related = ("scope",)
    search_fields = ("provider_event_id", "correlation_id")
