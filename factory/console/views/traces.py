"""The trace of a story: a tree of spans with bars on one time axis. Source: R-08.9."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from core.redact import told_to
from factory.console.rules import Look
from factory.console.rules.axis import Axis, Bar, axis_of
from factory.console.rules.trace import bar_class, span_look
from factory.console.views.frame import Page, person_of, show
from factory.insight.services import Span, Trace, trace_of

OPEN_AT_MOST: Final = 80
"""A page with so few spans stands open; of a longer one only what runs or went wrong."""


@dataclass(frozen=True)
class Line:
    """One span as it is drawn; `children` of a task or a try, `indent` of what hangs under a turn."""

    span: Span
    look: Look
    words: str
    bar: Bar | None
    fill: str
    indent: int
    is_open: bool
    children: "list[Line]" = field(default_factory=list)


@never_cache
@require_safe
def trace(request: HttpRequest, story: UUID) -> HttpResponse:
    """Show one page of a trace, or one step of it."""
    number = request.GET.get("page", "1")
    task_id = None
    with suppress(ValueError):
        task_id = UUID(request.GET["step"]) if "step" in request.GET else None
    page_number = int(number) if number.isascii() and number.isdecimal() and len(number) < 7 else 1
    found = trace_of(story, page=page_number, task_id=task_id)
    if found is None:
        raise Http404
    role = person_of(request).role
    page: Page = {
        "trace": found,
        "root": found.spans[0],
        "graphs": _graphs(found, role=role),
        "loose": [
            line for line in _lines(found, role=role) if line.span.depth == 1 and line.span.kind == "call"
        ],
        "task_id": task_id,
        "role": role,
    }
    return show(request, "console/trace.html", page, place="work")


def _graphs(trace: Trace, *, role: str) -> list[Line]:
    """Return the graphs with their tasks, tries and what was done in each; a task made by a task stands behind it."""
    graphs: list[Line] = []
    holders: dict[UUID, Line] = {}
    for line in _lines(trace, role=role):
        span = line.span
        if span.kind == "graph":
            graphs.append(line)
        elif span.kind == "task" and graphs:
            graphs[-1].children.append(line)
        elif span.depth > 1 and (holder := holders.get(span.parent_id) if span.parent_id else None):
            holder.children.append(line)
            if span.kind in ("call", "tool") and holder.span.kind == "turn":
                continue
        holders[span.id] = line
    return graphs


def _lines(trace: Trace, *, role: str) -> Iterator[Line]:
    now = timezone.now()
    axis = axis_of(_stretches(trace.spans, now=now))
    is_whole = len(trace.spans) <= OPEN_AT_MOST
    for span in trace.spans:
        yield _line(span, axis, now=now, role=role, is_whole=is_whole)


def _stretches(spans: Sequence[Span], *, now: datetime) -> list[tuple[datetime, datetime]]:
    """Return what work is measured by: tries, and what stands under no try."""
    return [
        (span.started_at, span.ended_at or now)
        for span in spans
        if span.started_at and (span.kind == "attempt" or (span.kind == "call" and span.is_lost))
    ]


def _line(span: Span, axis: Axis | None, *, now: datetime, role: str, is_whole: bool) -> Line:
    look = span_look(span.kind, span.status)
    has_bar = axis and span.kind not in ("task", "graph", "objective")
    return Line(
        span=span,
        look=look,
        words=told_to(span.words, role=role),
        bar=axis.bar(span.started_at, span.ended_at, now=now) if axis and has_bar else None,
        fill=bar_class(span.kind, look.tone),
        indent=1 if span.kind in ("call", "tool") else 0,
        is_open=is_whole or look.tone in ("harm", "live"),
    )
