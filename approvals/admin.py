"""Questions and answers in the Django admin: the owner may answer here too, once, as everywhere."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from approvals.models import Decision, Request
from approvals.services import decide_request
from core.admin import ReadOnlyAdmin, in_usd
from core.errors import FactoryError


def answering(answer: str, *, words: str) -> Callable[..., HttpResponse | None]:
    """Make the admin action that gives one answer: it shows what is answered first, and answers what was shown."""

    @admin.action(description=words, permissions=["own"])
    def act(self: "RequestAdmin", request: HttpRequest, rows: "QuerySet[Request]") -> HttpResponse | None:
        if "confirmed" not in request.POST:
            return self.confirm(request, rows, action=answer, words=words)
        for row in rows:
            self.answer(request, row, answer=answer)
        return None

    act.__name__ = answer
    return act


@admin.register(Request)
class RequestAdmin(ReadOnlyAdmin):
    """What was asked."""

    list_display = (
        "title",
        "product",
        "action",
        "state",
        "asked_by",
        in_usd("worst_case_microusd"),
        "asked_at",
        "deadline",
    )
    list_filter = ("state", "asked_at", "action", "asked_by")
    search_fields = ("id", "title", "product", "correlation_id", "digest")
    actions = (
        answering("approve", words="Say yes"),
        answering("reject", words="Say no"),
        answering("change", words="Ask for a change"),
    )

    def confirm(
        self, request: HttpRequest, rows: "QuerySet[Request]", *, action: str, words: str
    ) -> HttpResponse:
        """Show what is about to be answered, with the digest of what would happen."""
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": f"{words}?",
            "opts": self.model._meta,
            "rows": rows,
            "action": action,
            "checkbox": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/answer.html", context)

    def answer(self, request: HttpRequest, row: Request, *, answer: str) -> None:
        """Give one answer to what was shown; a refusal is told."""
        shown, said = request.POST.get(f"digest-{row.pk}", ""), request.POST.get("words", "")
        try:
            decide_request(
                row.pk,
                answer=answer,
                by=request.user,  # type: ignore[arg-type]
                digest=shown,
                words=said,
                channel=Decision.Channel.ADMIN,
            )
            self.message_user(request, f"{row}: answered.", messages.SUCCESS)
        except FactoryError as error:
            self.message_user(request, f"{row}: {error.sentence}", messages.ERROR)


@admin.register(Decision)
class DecisionAdmin(ReadOnlyAdmin):
    """What was answered."""

    list_display = ("request", "answer", "by", "at", "used_at")
    list_filter = ("answer", "at", "by")
    list_select_related = ("request", "by")
    search_fields = ("request__title", "by__username", "words")
