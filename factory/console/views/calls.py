"""Calls of models: the list, and one of them."""

from collections.abc import Sequence
from contextlib import suppress
from urllib.parse import urlencode
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from agents.gateway.models import Call
from agents.roster.models import Agent
from core.redact import told_to
from factory.console.views.frame import Page, person_of, show
from factory.insight.services import call_page, call_story


@never_cache
@require_safe
def calls(request: HttpRequest) -> HttpResponse:
    """Show one row per try, the newest first."""
    told = request.GET
    agent = told.get("agent", "")
    status = told.get("status", "") if told.get("status") in Call.Status.values else ""
    story = None
    with suppress(ValueError):
        story = UUID(told.get("story", ""))
    kept = {"agent": agent, "status": status, "story": str(story or "")}
    leaf = call_page(agent=agent, status=status, story=story, before=told.get("before", ""))
    page: Page = {
        "leaf": leaf,
        "rows": _readable(leaf.calls, request),
        "is_first": "before" not in told,
        "filter": urlencode({name: value for name, value in kept.items() if value}),
        "agent": agent,
        "status": status,
        "story": story,
        "agents": Agent.objects.order_by("name"),
        "statuses": Call.Status.choices,
    }
    return show(request, "console/calls.html", page, place="calls")


@never_cache
@require_safe
def call(request: HttpRequest, call_id: UUID) -> HttpResponse:
    """Show one call: what was asked, who answered, what it cost and why."""
    story = call_story(call_id)
    if story is None:
        raise Http404
    page: Page = {"story": story, "tries": _readable(story.tries, request)}
    return show(request, "console/call.html", page, place="calls")


def _readable(calls: Sequence[Call], request: HttpRequest) -> list[tuple[Call, str]]:
    """Return each call, and as much of why it failed as this role may read. Source: R-08.28."""
    role = person_of(request).role
    return [(one, told_to(one.words, role=role)) for one in calls]
