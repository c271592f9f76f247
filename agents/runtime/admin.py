"""What agents did, in the Django admin."""

from django.contrib import admin

from agents.runtime.models import Session, StepResult, ToolCall, Turn
from core.admin import ReadOnlyAdmin


@admin.register(Session)
class SessionAdmin(ReadOnlyAdmin):
    """Attempts."""

    list_display = ("title", "agent", "state", "error_class", "started_at", "ended_at")
    list_filter = ("state", "agent")
    list_select_related = ("agent",)
    search_fields = ("assignment_id", "reuse_key", "correlation_id")


@admin.register(Turn)
class TurnAdmin(ReadOnlyAdmin):
    """Answers."""

    list_display = ("session", "number", "model", "stop", "cost_microusd", "is_replayed", "at")
    list_filter = ("model", "is_replayed")
    list_select_related = ("session__agent",)


@admin.register(ToolCall)
class ToolCallAdmin(ReadOnlyAdmin):
    """Uses of tools."""

    list_display = ("tool", "turn", "outcome", "is_error", "is_replayed", "duration_ms")
    list_filter = ("tool", "outcome")
    list_select_related = ("turn",)


@admin.register(StepResult)
class StepResultAdmin(ReadOnlyAdmin):
    """Finished steps."""

    list_display = ("reuse_key", "step_key", "cost_microusd", "created_at")
