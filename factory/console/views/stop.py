"""Stop everything, or one venture: the first tap opens this page, the second one stops."""

from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from billing.services import clear_switch, set_switch
from core.errors import IllegalMove
from core.models import User
from factory.console.views.frame import Page, frame_now, go_to, require_role, show
from factory.insight.services import last_hour, who_works
from portfolio.models import Product
from portfolio.services import freeze_product, thaw_product


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def stop(request: HttpRequest) -> HttpResponse:
    """Show what a stop ends and what goes on; a POST stops."""
    if request.method == "POST":
        person = require_role(request, User.Role.OWNER, User.Role.OPERATOR)
        set_switch("global", "factory", by=person.as_actor, reason="by hand, on the stop page")
        return go_to(request, "stop")
    return _show_stop(request)


def _show_stop(request: HttpRequest, *, refused: str = "", status: int = 200) -> HttpResponse:
    page: Page = {
        "frame": (frame := frame_now()),
        "workers": who_works(),
        "products": Product.objects.order_by("name"),
        "refused": refused,
        "hour": last_hour(timezone.now()) if frame.stopped_at else None,
    }
    return show(request, "console/stop.html", page, place="stop", status=status)


@require_POST
def start(request: HttpRequest) -> HttpResponse:
    """Let work go on; only the owner may."""
    clear_switch("global", "factory", by=require_role(request, User.Role.OWNER).as_actor)
    return go_to(request, "home", say="Work goes on.")


@require_POST
def stop_venture(request: HttpRequest, slug: str) -> HttpResponse:
    """Freeze one venture's money and new work, or let it go on; only the owner lets go on. Source: R-12.33."""
    goes_on = request.POST.get("do") == "go-on"
    person = require_role(request, User.Role.OWNER, *([] if goes_on else [User.Role.OPERATOR]))
    product = Product.objects.filter(slug=slug).first()
    if product is None:
        raise Http404
    change = thaw_product if goes_on else freeze_product
    try:
        change(product, reason="by hand, on the stop page", by=person.as_actor)
    except IllegalMove:
        words = f"{product.name} {'works' if goes_on else 'rests'} already."
        return _show_stop(request, refused=words, status=IllegalMove.http_status)
    return go_to(request, "stop", say=f"{product.name} {'goes on' if goes_on else 'rests'}.")
