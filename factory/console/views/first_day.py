"""First day: five short steps until the factory may work, each with its result in view."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from agents.gateway.adapters.keyring import reachable
from agents.gateway.models import ModelEntry, Provider
from agents.gateway.services.routes import tariffs_on
from agents.roster.models import Agent
from agents.roster.services import switch_agent
from billing.models import Limit, Period
from billing.services import factory_scope, set_limit
from core.errors import FactoryError
from core.models import AuditRow, User
from core.money import to_microusd, to_usd
from core.services import audit, business_now, change_setting
from factory.console.forms import FirstDayForm, time_zones
from factory.console.views.frame import Page, frame_now, go_to, require_role, show
from portfolio.models import Product

FIRST_CAP_USD = "5.00"
MARK = "console.first_day"


def is_set_up() -> bool:
    """Say whether an owner answered the questions of the first day."""
    return AuditRow.objects.filter(verb=MARK).exists()


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def first_day(request: HttpRequest) -> HttpResponse:
    """Show how far the first day is; a POST sets limits, time zone and who is on."""
    if request.method != "POST":
        return _show(request)
    person = require_role(request, User.Role.OWNER)
    form = FirstDayForm(request.POST)
    if not form.is_valid():
        return _show(request, refused="Write an amount in dollars and choose a time zone.", status=400)
    try:
        _set_up(form, by=person.as_actor)
    except FactoryError as refusal:
        return _show(request, refused=refusal.sentence, status=refusal.http_status)
    return go_to(request, "first_day", say="Kept. You may change all of it at any time.")


def _set_up(form: FirstDayForm, *, by: str) -> None:
    """Keep the answers; each is a change of its own and safe to repeat."""
    told = form.cleaned_data
    set_limit(
        factory_scope(), period=Period.DAY, cap_microusd=to_microusd(told["cap"]), by=by, why="first day"
    )
    change_setting("time_zone", told["time_zone"], by=by, why="first day")
    for agent in Agent.objects.all():
        if agent.is_enabled != (agent.name in told["on"]):
            switch_agent(agent.name, is_enabled=agent.name in told["on"], by=by, why="first day")
    audit(actor=by, verb=MARK, subject="factory", cap_usd=str(told["cap"]))


def _show(request: HttpRequest, *, refused: str = "", status: int = 200) -> HttpResponse:
    frame = frame_now()
    cap = Limit.objects.filter(scope=factory_scope(), period=Period.DAY).first()
    is_done, in_reach = is_set_up(), reachable(mode=settings.MODE)
    page: Page = {
        "frame": frame,
        "is_done": is_done,
        "has_venture": Product.objects.exists(),
        "makers": [
            {
                "name": one.name,
                "has_line": one.name in in_reach,
                "is_enabled": one.is_enabled,
            }
            for one in Provider.objects.order_by("name")
        ],
        "models": _models(),
        "cap_usd": f"{to_usd(cap.cap_microusd):.2f}" if cap and is_done else FIRST_CAP_USD,
        "zones": time_zones(),
        "agents": Agent.objects.order_by("-is_enabled", "name"),
        "refused": refused,
    }
    return show(request, "console/first_day.html", page, place="first_day", status=status)


def _models() -> list[dict[str, object]]:
    """Return each model with its price today; one without a price is refused."""
    prices = tariffs_on(business_now().date())
    return [
        {"model": one, "price": prices.get(one.pk), "is_ready": one.pk in prices and one.provider.is_enabled}
        for one in ModelEntry.objects.select_related("provider").order_by("provider", "-tier", "name")
    ]
