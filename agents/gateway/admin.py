"""Models, prices and calls in the Django admin: to look at."""

from django.contrib import admin

from agents.gateway.models import Call, ModelEntry, Price, Provider
from core.admin import ReadOnlyAdmin


@admin.register(Provider)
class ProviderAdmin(ReadOnlyAdmin):
    """Who serves models."""

    list_display = ("name", "protocol", "base_url", "is_enabled", "stopped_because")


@admin.register(ModelEntry)
class ModelEntryAdmin(ReadOnlyAdmin):
    """Which models there are."""

    list_display = ("name", "provider", "tier", "window_tokens", "max_output_tokens")
    list_filter = ("provider", "tier")


@admin.register(Price)
class PriceAdmin(ReadOnlyAdmin):
    """What they cost, from when on."""

    list_display = ("model", "valid_from", "input_microusd", "output_microusd", "cached_microusd")
    list_select_related = ("model",)


@admin.register(Call)
class CallAdmin(ReadOnlyAdmin):
    """Every attempt of every call."""

    list_display = ("started_at", "agent", "model", "tier", "status", "fault", "cost_microusd", "reason")
    list_filter = ("status", "agent", "tier", "mode")
    list_select_related = ("model",)
    search_fields = ("assignment_id", "correlation_id", "step_key")
