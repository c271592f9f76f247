"""What agents did, in the Django admin."""

from django.contrib import admin

from agents.runtime.models import Note, Session, StepResult, ToolCall, Turn
from core.admin import ReadOnlyAdmin, in_usd


@admin.register(Session)
class SessionAdmin(ReadOnlyAdmin):
    """Attempts."""

    list_display = ("title", "agent", "state", "error_class", "started_at", "ended_at")
    list_filter = ("state", "started_at", "error_class", "agent")
    list_select_related = ("agent",)
    search_fields = ("title", "assignment_id", "reuse_key", "correlation_id", "error")


@admin.register(Turn)
class TurnAdmin(ReadOnlyAdmin):
    """Answers."""

    list_display = ("session", "number", "model", "stop", in_usd("cost_microusd"), "is_replayed", "at")
    list_filter = ("at", "model", "is_replayed")
    list_select_related = ("session__agent",)
    search_fields = ("session__title", "call_id")


@admin.register(ToolCall)
class ToolCallAdmin(ReadOnlyAdmin):
    """Uses of tools."""

    list_display = ("tool", "turn", "outcome", "is_error", "is_replayed", "duration_ms")
    list_filter = ("outcome", "is_error", "tool")
    list_select_related = ("turn",)
    search_fields = ("tool", "turn__session__title")


@admin.register(StepResult)
class StepResultAdmin(ReadOnlyAdmin):
    """Finished steps."""

    list_display = ("reuse_key", "step_key", in_usd("cost_microusd"), "created_at")
    list_filter = ("created_at",)
    search_fields = ("reuse_key", "step_key")


@admin.register(Note)
class NoteAdmin(ReadOnlyAdmin):
    """What people told agents."""

    list_display = ("by", "text", "at", "before_turn", "read_at")
    list_filter = ("at",)
    search_fields = ("assignment_id", "reuse_key", "text")
