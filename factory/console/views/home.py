"""Home: money, decisions, ventures by stage, who works, and the way to stop all of it."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from agents.roster.models import Agent
from approvals.models import Request
from factory.console.views.frame import frame_now, show
from factory.insight.services import Venture, money_now, ventures, who_works
from portfolio.models import Opportunity, Product

ASKS_ON_HOME = 5


@never_cache
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """Show what a day needs in five seconds."""
    frame = frame_now()
    found = ventures()
    page = {
        "frame": frame,
        "money": money_now(frame.now),
        "asks": Request.objects.pressing_first(frame.now)[:ASKS_ON_HOME],
        "workers": who_works(),
        "agents_on": Agent.objects.enabled().count(),
        "line": by_stage(found),
        "ventures": found,
        "live": sum(one.version is not None for one in found),
        "ideas": Opportunity.objects.standing().count(),
        "best": Opportunity.objects.standing().filter(product=None).order_by("-points").first(),
        "is_empty": not found and not Opportunity.objects.exists(),
        "parts": ("money", "asks", "now", "line"),
    }
    return show(request, "console/home.html", page, place="home")


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
