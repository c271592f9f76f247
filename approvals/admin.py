"""Questions and answers in the Django admin."""

from django.contrib import admin

from approvals.models import Decision, Request
from core.admin import ReadOnlyAdmin


@admin.register(Request)
class RequestAdmin(ReadOnlyAdmin):
    """What was asked."""

    list_display = ("title", "product", "action", "state", "asked_by", "asked_at", "deadline")
    list_filter = ("state", "action")
    search_fields = ("title", "product", "correlation_id")


@admin.register(Decision)
class DecisionAdmin(ReadOnlyAdmin):
    """What was answered."""

    list_display = ("request", "answer", "by", "at", "used_at")
    list_filter = ("answer",)
    list_select_related = ("request", "by")
