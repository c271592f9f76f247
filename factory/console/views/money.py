"""Money: limits as they stand, and the ledger to the millionth of a dollar."""

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from billing.models import Entry, RevenueEvent, Scope, Window
from factory.console.views.frame import frame_now, show
from factory.insight.services import money_now

PER_PAGE = 50
SHOWN_KINDS = (Scope.Kind.PRODUCT, Scope.Kind.AGENT)


@never_cache
@require_safe
def money(request: HttpRequest) -> HttpResponse:
    """Show what every limit still allows, what came in, and each entry of the ledger, the newest first."""
    frame = frame_now()
    windows = Window.objects.at(frame.now).filter(scope__kind__in=SHOWN_KINDS).select_related("scope")
    entries = Paginator(Entry.objects.select_related("scope").order_by("-at", "-pk"), PER_PAGE)
    now = money_now(frame.now)
    page = {
        "frame": frame,
        "money": now,
        "purses": [(now.today, "per day"), (now.month, "per month")],
        "windows": sorted(windows, key=lambda one: (-one.used_share, one.scope.label, one.period)),
        "leaf": entries.get_page(request.GET.get("page")),
        "earned": RevenueEvent.objects.select_related("scope").order_by("-at", "-pk")[:PER_PAGE],
    }
    return show(request, "console/money.html", page, place="money")
