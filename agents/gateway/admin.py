"""Models, prices and calls in the Django admin: to look at."""

from django.contrib import admin

from agents.gateway.models import BatchJob, Call, KeptAnswer, ModelEntry, Price, Provider, ProviderKey
from core.admin import ReadOnlyAdmin, in_usd


@admin.register(Provider)
class ProviderAdmin(ReadOnlyAdmin):
    """Who serves models."""

    list_display = ("name", "protocol", "base_url", "is_enabled", "stopped_because")
    list_filter = ("is_enabled", "protocol")
    search_fields = ("name", "base_url")


@admin.register(ModelEntry)
class ModelEntryAdmin(ReadOnlyAdmin):
    """Which models there are."""

    list_display = ("name", "provider", "tier", "window_tokens", "max_output_tokens")
    list_filter = ("provider", "tier")
    list_select_related = ("provider",)
    search_fields = ("name",)


@admin.register(Price)
class PriceAdmin(ReadOnlyAdmin):
    """What they cost per million tokens, from when on."""

    list_display = (
        "model",
        "valid_from",
        in_usd("input_microusd"),
        in_usd("output_microusd"),
        in_usd("cached_microusd"),
        "entered_by",
    )
    list_filter = ("model__provider", "valid_from")
    list_select_related = ("model",)
    search_fields = ("model__name",)


@admin.register(ProviderKey)
class ProviderKeyAdmin(ReadOnlyAdmin):
    """Whose key is stored; the key itself is on no page."""

    list_display = ("provider", "last_four", "set_by", "set_at")
    exclude = ("sealed",)
    search_fields = ("provider__name",)


@admin.register(Call)
class CallAdmin(ReadOnlyAdmin):
    """Every attempt of every call."""

    list_display = (
        "started_at",
        "agent",
        "model",
        "tier",
        "status",
        "fault",
        in_usd("bound_microusd"),
        in_usd("cost_microusd"),
        "reason",
    )
    list_filter = ("status", "started_at", "fault", "tier", "agent", "mode")
    list_select_related = ("model",)
    raw_id_fields = ("fallback_from",)
    search_fields = ("id", "assignment_id", "correlation_id", "step_key", "words")


@admin.register(KeptAnswer)
class KeptAnswerAdmin(ReadOnlyAdmin):
    """Which answers are given again."""

    list_display = ("call", "until")
    list_select_related = ("call__model",)


@admin.register(BatchJob)
class BatchJobAdmin(ReadOnlyAdmin):
    """What waits in batch lanes."""

    list_display = ("call", "state", "batch_id", "next_look_at", "words")
    list_filter = ("state",)
    list_select_related = ("call__model",)
