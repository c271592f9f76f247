"""One step of work, its attempts as they went, and what they made."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from agents.runtime.services import tell_agent
from core.errors import FactoryError
from core.models import User
from core.redact import told_to
from core.registry import find_tool, tool_names
from core.services import read_blob
from factory.console.rules.transcript import Line, Teller, changed_files, pretty
from factory.console.views.frame import Page, go_to, person_of, require_role, show
from factory.insight.services import SessionNow, Step, graphs_of, session_of
from factory.work.models import Artifact, Attempt, Task
from factory.work.services import cancel_task, change_priority

MOST_PREVIEW_BYTES: Final = 64 * 1024
PLACES: Final = (("Urgent", 5), ("High", 20), ("Normal", 50), ("Low", 70), ("Background", 90))
KEEPERS: Final = (User.Role.OWNER, User.Role.OPERATOR)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def task(request: HttpRequest, task_id: UUID) -> HttpResponse:
    """Show one step with all its tries, or end it."""
    found = Task.objects.select_related("dag__product", "agent", "scope").filter(pk=task_id).first()
    if found is None:
        raise Http404
    if request.method == "POST":
        return _change(request, found)
    return _show_task(request, found)


def _change(request: HttpRequest, found: Task) -> HttpResponse:
    actor = require_role(request, *KEEPERS).as_actor
    what, place = request.POST.get("what"), request.POST.get("priority", "")
    try:
        if what == "priority" and place.isdecimal():
            change_priority(found.pk, priority=int(place), by=actor)
            return go_to(request, "task", found.pk, say="It has another place in line.")
        if what == "end":
            cancel_task(found.pk, by=actor, reason="ended by hand", with_dependents="behind" in request.POST)
            return go_to(request, "task", found.pk, say="It is ended; a worker on it stops at its next look.")
    except FactoryError as refusal:
        return _show_task(request, found, refused=refusal.sentence, status=refusal.http_status)
    return _show_task(request, found, refused="Nothing was chosen.", status=400)


def _show_task(request: HttpRequest, found: Task, *, refused: str = "", status: int = 200) -> HttpResponse:
    graph = graphs_of([found.dag])[0]
    step = next((one for one in graph.steps if one.task.pk == found.pk), None)
    behind = [one for one in graph.steps if found.pk in one.needs]
    page: Page = {
        "task": found,
        "dag": found.dag,
        "graph": graph,
        "step": step,
        "behind": behind,
        "arguments": json.dumps(found.arguments, indent=1, ensure_ascii=False) if found.arguments else "",
        "results": Artifact.objects.filter(attempt__task=found)
        .select_related("attempt", "blob")
        .order_by("-created_at"),
        "is_stuck": is_stuck(found, behind=behind),
        "places": PLACES,
        "letter": found.dead_letters.filter(resolution="").first(),
        "events": found.events.order_by("-sequence")[:50],
        "refused": refused,
        "parts": ("tries", "facts"),
    }
    return show(request, "console/task.html", page, place="work", status=status)


def is_stuck(task: Task, *, behind: Sequence[Step]) -> bool:
    """Whether somebody has to choose: it gave up, or it was ended and others still wait for it."""
    if task.state == Task.State.DEAD_LETTER:
        return True
    return task.state == Task.State.CANCELLED and any(one.is_cut for one in behind)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def session(request: HttpRequest, attempt_id: UUID) -> HttpResponse:
    """Show one attempt as it went, or tell its agent something. Source: R-01.21."""
    now = session_of(attempt_id)
    if now is None:
        raise Http404
    if request.method == "POST":
        return _tell(request, now)
    return _show_session(request, now)


def _tell(request: HttpRequest, now: SessionNow) -> HttpResponse:
    actor = require_role(request, *KEEPERS).as_actor
    text = request.POST.get("text", "")
    try:
        tell_agent(now.attempt.pk, text=text, by=actor)
    except FactoryError as refusal:
        return _show_session(
            request, now, refused=refusal.sentence, note=text[:4_000], status=refusal.http_status
        )
    return go_to(request, "session", now.attempt.pk, say="It is told before its next step.")


def _show_session(
    request: HttpRequest, now: SessionNow, *, refused: str = "", note: str = "", status: int = 200
) -> HttpResponse:
    role = person_of(request).role
    lines = [_readable(line, role=role) for line in told(now)]
    page: Page = {
        "now": now,
        "attempt": now.attempt,
        "task": now.attempt.task,
        "dag": now.attempt.task.dag,
        "lines": lines,
        "files": changed_files(lines) if role != User.Role.VIEWER else (),
        "is_open": now.attempt.ended_at is None,
        "system": told_to(_system_text(now), role=role),
        "brief": told_to(now.attempt.task.brief, role=role),
        "told_error": told_to(now.session.told_error, role=role) if now.session else "",
        "error": told_to(now.attempt.error, role=role),
        "result": told_to(pretty(json.dumps(now.attempt.result)), role=role) if now.attempt.result else "",
        "role": role,
        "refused": refused,
        "note": note,
        "parts": ("log", "sofar", "badges"),
    }
    return show(request, "console/session.html", page, place="work", status=status)


def _readable(line: Line, *, role: str) -> Line:
    """Return as much of a line as this role may read. Source: R-08.28."""
    if role == User.Role.OWNER:
        return line
    diff = tuple(told_to(one, role=role) for one in line.diff) if role == User.Role.OPERATOR else ()
    title = told_to(line.title, role=role) or "something"
    return replace(line, title=title, text=told_to(line.text, role=role), diff=diff)


def told(now: SessionNow) -> list[Line]:
    """Return the attempt line by line."""
    teller = Teller(frozenset(name for name in tool_names() if find_tool(name).tool_class == "outside"))
    lines: list[Line] = []
    for turn in now.turns:
        at: datetime = turn.at
        lines += teller.turn(
            turn.text,
            turn.tool_calls.all(),
            at=at,
            cost_microusd=turn.cost_microusd,
            is_replayed=turn.is_replayed,
        )
    lines += [
        Line(kind="note", at=one.at, title=one.by, text=one.text, state="done" if one.read_at else "waits")
        for one in now.notes
    ]
    return sorted(lines, key=lambda line: line.at) if now.notes else lines


def _system_text(now: SessionNow) -> str:
    """What the agent was told first; a lost file is said, not raised."""
    if now.session is None:
        return ""
    try:
        return read_blob(now.session.prompt_id).decode("utf-8", "replace")
    except FactoryError as lost:
        return lost.sentence


@never_cache
@require_safe
def result(request: HttpRequest, artifact_id: UUID) -> HttpResponse:
    """Show one result, or hand its file out; a browser never runs what an agent wrote."""
    found = (
        Artifact.objects.select_related("attempt__task__dag__product", "attempt__agent", "blob")
        .filter(pk=artifact_id)
        .first()
    )
    if found is None:
        raise Http404
    if "download" in request.GET and found.blob is not None:
        return _download(found)
    page: Page = {
        "artifact": found,
        "attempt": found.attempt,
        "task": found.attempt.task,
        "dag": found.attempt.task.dag,
        "text": _preview(found),
        "facts": json.dumps(found.facts, indent=1, ensure_ascii=False) if found.facts else "",
        "readers": Attempt.objects.filter(has_read=found).select_related("task").order_by("claimed_at"),
    }
    return show(request, "console/result.html", page, place="work")


def _download(found: Artifact) -> HttpResponse:
    try:
        content = read_blob(str(found.blob_id))
    except FactoryError as lost:
        raise Http404 from lost
    answer = HttpResponse(content, content_type="application/octet-stream")
    answer["Content-Disposition"] = f'attachment; filename="{_file_name(found)}"'
    answer["X-Content-Type-Options"] = "nosniff"
    return answer


def _file_name(found: Artifact) -> str:
    kept = "".join(
        letter if letter.isascii() and (letter.isalnum() or letter in "-_.") else "-" for letter in found.name
    )
    return kept.strip(".-") or "result"


def _preview(found: Artifact) -> str:
    """The text of a small result; empty: there is none to show."""
    if found.blob is None or found.blob.size_bytes > MOST_PREVIEW_BYTES:
        return ""
    try:
        return pretty(read_blob(found.blob.sha256).decode())
    except (UnicodeDecodeError, FactoryError):
        return ""
