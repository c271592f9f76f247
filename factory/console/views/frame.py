"""What stands around every page, who may do what, and the one way to show a page."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone

from approvals.models import Request
from billing.models import Entry
from core.clock import end_of_day
from core.models import Installation, Mode, User

Page = dict[str, Any]
SEE_OTHER: Final = 303


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
_ENTRIES = (
    _HOME,
    _DECISIONS,
    _VENTURES,
    Place("ideas", "Ideas", "file"),
    _MONEY,
    Place("health", "Health", "done"),
)


@dataclass(frozen=True)
class Frame:
    """What every page says: is it rehearsed, is it stopped, what waits, what time it is in the story.

    `ground` says how the factory stands (`state`, `since`, `by`, `drain_until`).
    """

    is_rehearsal: bool
    stopped_at: datetime | None
    ground: Installation
    zone: str
    now: datetime
    waiting: int
    last_entry_at: datetime | None
    entries: tuple[Place, ...] = _ENTRIES
    tabs: tuple[Place, ...] = (_HOME, _DECISIONS, _VENTURES, _MONEY)

    @property
    def day_ends_at(self) -> datetime:
        """When a new day of money begins."""
        return end_of_day(self.now)


def frame_now() -> Frame:
    """Return the frame as it stands; business time is the time of the pages."""
    here = Installation.objects.first() or Installation(mode=Mode.REHEARSAL)
    return Frame(
        is_rehearsal=here.mode == Mode.REHEARSAL,
        stopped_at=here.stopped_at,
        ground=here,
        zone=here.time_zone,
        now=timezone.now() + timedelta(milliseconds=here.clock_offset_ms),
        waiting=Request.objects.waiting().count(),
        last_entry_at=Entry.objects.order_by("-at").values_list("at", flat=True).first(),
    )


def show(
    request: HttpRequest, template: str, page: Page | None = None, *, place: str = "", status: int = 200
) -> HttpResponse:
    """Answer with a page in the owner's time zone; asked for one of its parts by HTMX, with that part alone."""
    page = {"frame": frame_now(), "place": place, **(page or {})}
    if part := wanted_part(request, page):
        template = f"{template}#{part}"
    with timezone.override(ZoneInfo(page["frame"].zone)):
        return render(request, template, page, status=status)


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


def actor_of(person: User) -> str:
    """Return how audit rows name them."""
    return f"{person.role}:{person.username}"


def go_to(request: HttpRequest, name: str, *args: object, say: str = "") -> HttpResponse:
    """Answer a change with the page that shows it, and say once what was done."""
    if say:
        messages.success(request, say)
    answer = redirect(name, *args)
    answer.status_code = SEE_OTHER
    return answer
