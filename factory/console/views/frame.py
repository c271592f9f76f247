"""What stands around every page, who may do what, and the one way to show a page."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar, cast
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Exists, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.functional import SimpleLazyObject

from approvals.models import Request
from billing.models import Entry
from core.clock import end_of_day
from core.models import Installation, Mode, SettingValue, User
from core.registry import find_setting
from factory.delivery.models import Release
from factory.insight.services import Alert, alerts_now

Page = dict[str, Any]
T = TypeVar("T")
SEE_OTHER: Final = 303
PARTS_HEADER: Final = "X-Parts"


@dataclass(frozen=True)
class Place:
    """One of the main pages."""

    name: str
    label: str
    icon: str

    @property
    def href(self) -> str:
        """Where it is."""
        return reverse(self.name)


_HOME, _DECISIONS = Place("home", "Home", "home"), Place("decisions", "Decisions", "need")
_VENTURES, _MONEY = Place("ventures", "Ventures", "rows"), Place("money", "Money", "coin")
_AGENTS, _WORK = Place("agents", "Agents", "live"), Place("work", "Work", "queue")
_MORE = (
    Place("ideas", "Ideas", "file"),
    _AGENTS,
    _WORK,
    Place("search", "Search", "file"),
    Place("ledger", "Ledger", "coin"),
    Place("health", "Health", "done"),
    Place("settings", "Settings", "file"),
)


@dataclass(frozen=True)
class Frame:
    """What every page says: is it rehearsed, is it stopped, what waits, what happened, what time it is there.

    Attributes:
        ground: how the factory stands: `state`, `since`, `by`, `drain_until`.
        is_incident: customers are harmed at this moment; every page says so.
        alerts: the most serious first; computed only when a page asks for them.
        tabs: the four pages the bar of a phone holds; `more` is the rest.
    """

    is_rehearsal: bool
    stopped_at: datetime | None
    ground: Installation
    zone: str
    now: datetime
    waiting: int
    is_incident: bool
    alerts: tuple[Alert, ...]
    last_entry_at: datetime | None
    theme: str = "system"
    entries: tuple[Place, ...] = (_HOME, _DECISIONS, _VENTURES, _AGENTS, _MONEY, _WORK)
    tabs: tuple[Place, ...] = (_HOME, _DECISIONS, _VENTURES, _MONEY)
    more: tuple[Place, ...] = _MORE

    @property
    def day_ends_at(self) -> datetime:
        """When a new day of money begins."""
        return end_of_day(self.now)


_GROUND: Final = Installation.objects.annotate(
    waiting=Subquery(
        Request.objects.waiting().order_by().values("state").annotate(n=Count("pk")).values("n")
    ),
    is_incident=Exists(Release.objects.down()),
    last_entry_at=Subquery(Entry.objects.order_by("-at").values("at")[:1]),
    theme=Subquery(SettingValue.objects.in_force().filter(key="theme").values("value")),
)
"""All that stands around every page, in one question to the database."""


def frame_now() -> Frame:
    """Return the frame as it stands; business time is the time of the pages."""
    here = _GROUND.first() or Installation(mode=Mode.REHEARSAL)
    said = vars(here)
    now = timezone.now() + timedelta(milliseconds=here.clock_offset_ms)
    return Frame(
        is_rehearsal=here.mode == Mode.REHEARSAL,
        stopped_at=here.stopped_at,
        ground=here,
        zone=here.time_zone,
        now=now,
        waiting=said.get("waiting") or 0,
        is_incident=said.get("is_incident", False),
        alerts=later(lambda: alerts_now(now)),
        last_entry_at=said.get("last_entry_at"),
        theme=said.get("theme") or str(find_setting("theme").default),
    )


def show(
    request: HttpRequest, template: str, page: Page | None = None, *, place: str = "", status: int = 200
) -> HttpResponse:
    """Answer with a page in the owner's time zone; asked for some of its parts, with those alone.

    What stands in `page` as `later(...)` is computed only when a part that is shown asks for it.
    """
    page = {"place": place, **(page or {})}
    if "frame" not in page:
        page["frame"] = frame_now()
    with timezone.override(ZoneInfo(page["frame"].zone)):
        if PARTS_HEADER in request.headers:
            return _show_parts(request, template, page)
        if part := wanted_part(request, page):
            template = f"{template}#{part}"
        return render(request, template, page, status=status)


def _show_parts(request: HttpRequest, template: str, page: Page) -> HttpResponse:
    """Open pages ask so for what has news; `frame` is what changes around every page."""
    names = request.headers[PARTS_HEADER].split(",")
    found = [f"{template}#{name}" for name in page.get("parts", ()) if name in names]
    if "frame" in names:
        found.append("console/parts/frame.html")
    return HttpResponse("".join(render_to_string(name, page, request) for name in found))


def later(compute: Callable[[], T]) -> T:
    """Return what stands for the result of `compute`, computed once when a template asks for it; not for numbers."""
    return cast("T", SimpleLazyObject(compute))


def wanted_part(request: HttpRequest, page: Page) -> str:
    """Return the part of the page that is asked for; empty: the whole page, as for a browser without scripts."""
    target = request.headers.get("HX-Target", "") if request.headers.get("HX-Request") else ""
    return target if target in page.get("parts", ()) else ""


def person_of(request: HttpRequest) -> User:
    """Return who is signed in."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


def require_role(request: HttpRequest, *roles: str) -> User:
    """Return who is signed in when they have one of these roles; everyone else gets the page that says who may."""
    person = person_of(request)
    if person.role not in roles:
        raise PermissionDenied(", ".join(roles))
    return person


def go_to(request: HttpRequest, name: str, *args: object, say: str = "") -> HttpResponse:
    """Answer a change with the page that shows it, and say once what was done."""
    if say:
        messages.success(request, say)
    answer = redirect(name, *args)
    answer.status_code = SEE_OTHER
    return answer
