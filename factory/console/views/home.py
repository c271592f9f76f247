"""Home: money, decisions, ventures by stage, who works, and the way to stop all of it."""

from dataclasses import dataclass
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from agents.roster.models import Agent
from core.services import note_look
from factory.console.views.cards import cards_now, shown
from factory.console.views.frame import frame_now, later, person_of, show
from factory.insight.services import (
    Venture,
    incidents_now,
    money_now,
    news_since,
    open_graphs,
    progress_of,
    ventures,
    who_works,
)
from portfolio.models import Opportunity, Product

ASKS_ON_HOME = 5
GRAPHS_ON_HOME = 4


@never_cache
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Show what a day needs in five seconds."""
    frame, person = frame_now(), person_of(request)
    since = note_look(person)
    found, workers = later(lambda: ventures(workers)), later(who_works)
    cards = later(lambda: cards_now(frame.now))
    page = {
        "frame": frame,
        "since": later(lambda: news_since(since, now=frame.now) if since else None),
        "incidents": incidents_now() if frame.is_incident else (),
        "money": later(lambda: money_now(frame.now)),
        "cards": cards,
        "asks": later(lambda: shown(cards[:ASKS_ON_HOME])),
        "workers": workers,
        "under_way": later(lambda: progress_of(open_graphs(at_most=GRAPHS_ON_HOME))),
        "agents_on": Agent.objects.enabled().count(),
        "line": later(lambda: by_stage(found)),
        "ventures": found,
        "live": later(lambda: [one for one in found if one.version is not None]),
        "ideas": later(_ideas),
        "is_empty": later(lambda: not found and not Opportunity.objects.exists()),
        "parts": ("incident", "news", "money", "asks", "glance", "now", "line", "alerts"),
    }
    return show(request, "console/home.html", page, place="home")


@dataclass(frozen=True)
class Ideas:
    """How many ideas stand, and the best that is no venture yet."""

    count: int
    best: Opportunity | None


_STANDING: Final = Opportunity.objects.standing().order_by()
_BEST: Final = _STANDING.filter(product=None).only("points").order_by("-points")


def _ideas() -> Ideas:
    return Ideas(_STANDING.count(), _BEST.first())


@never_cache
@require_safe
def venture_list(request: HttpRequest) -> HttpResponse:
    """Show all ventures, the newest first."""
    return show(request, "console/ventures.html", {"ventures": ventures()}, place="ventures")


def by_stage(found: tuple[Venture, ...]) -> list[tuple[str, list[Venture]]]:
    """Return the five stages in order, each with its ventures."""
    return [
        (label, [one for one in found if one.product.stage == stage])
        for stage, label in Product.Stage.choices
    ]
