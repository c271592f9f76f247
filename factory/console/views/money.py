"""Money: what is spent, held and allowed, by whom and on what; and the switches."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from agents.gateway.models import Provider
from agents.gateway.services import start_provider, stop_provider
from billing.models import Limit, Period, RevenueEvent, Scope
from billing.services import change_limit
from core.errors import FactoryError
from core.models import User
from core.money import in_words, to_microusd
from factory.console.forms import LimitForm
from factory.console.rules.plots import SIZES, Plot, plot_bars, share_marks
from factory.console.views.frame import Page, frame_now, go_to, later, require_role, show
from factory.insight.services import GOAL_SHARES, Band, Costs, costs_now, money_now
from portfolio.models import Product
from portfolio.services import freeze_product, thaw_product

EARNED_SHOWN = 12
LABEL_EVERY = 6
SPENDERS = (Scope.Kind.FACTORY, Scope.Kind.AGENT)


@never_cache
@require_safe
def money(request: HttpRequest) -> HttpResponse:
    """Show where the money goes, and what every limit still allows. Source: R-08.19."""
    return _show_money(request)


def _show_money(request: HttpRequest, *, refused: str = "", status: int = 200) -> HttpResponse:
    frame = frame_now()
    costs = costs_now(frame.now)
    now = money_now(frame.now)
    page: Page = {
        "frame": frame,
        "money": now,
        "costs": costs,
        "plots": later(lambda: _plots(costs, cap_microusd=now.today.cap_microusd)),
        "mixes": _mixes(costs.bands),
        "providers": Provider.objects.order_by("name"),
        "limits": Limit.objects.filter(scope__kind__in=SPENDERS)
        .exclude(period=Period.CALL)
        .select_related("scope")
        .order_by("-scope__kind", "scope__label", "period"),
        "earned": RevenueEvent.objects.select_related("scope").order_by("-at", "-pk")[:EARNED_SHOWN],
        "refused": refused,
        "parts": ("totals", "spending", "agents", "switches"),
    }
    return show(request, "console/money.html", page, place="money", status=status)


def _plots(costs: Costs, *, cap_microusd: int | None) -> list[Plot]:
    """Return spending per hour as two drawings, with the pace that today's limit allows."""
    amounts = [amount for _, amount in costs.hours]
    labels = [
        f"{timezone.localtime(hour):%H:%M}" if n % LABEL_EVERY == 0 else ""
        for n, (hour, _) in enumerate(costs.hours)
    ]
    labels[-1] = "now"
    pace = cap_microusd // 24 if cap_microusd else None
    words = {
        "wide": f"{in_words(pace)} an hour for 24 hours is today's limit",
        "narrow": f"limit: {in_words(pace)} an hour",
    }
    return [plot_bars(amounts, labels=labels, size=size, limit=pace, words=words[size]) for size in SIZES]  # fmt: skip


def _mixes(bands: tuple[Band, ...]) -> list[dict[str, Any]]:
    """Return the shares of the price bands: of calls, as they should be, and of costs."""
    names = [band.name for band in bands]
    rows: list[tuple[str, list[float]]] = [
        ("Calls", [band.share_of_calls or 0.0 for band in bands]),
        ("Goal", list(GOAL_SHARES)),
        ("Cost", [band.share_of_cost or 0.0 for band in bands]),
    ]
    return [
        {
            "label": label,
            "is_goal": label == "Goal",
            "marks": share_marks(list(zip(names, shares, strict=True))),
            "words": " · ".join(f"{100 * share:.0f}" for share in shares) + " %",
        }
        for label, shares in rows
    ]


@require_POST
def set_limit(request: HttpRequest) -> HttpResponse:
    """Change one limit: operators lower, the owner also raises and says why."""
    person = require_role(request, User.Role.OWNER, User.Role.OPERATOR)
    form = LimitForm(request.POST)
    if not form.is_valid():
        return _show_money(request, refused="Choose a limit and write an amount in dollars.", status=400)
    told = form.cleaned_data
    limit = Limit.objects.select_related("scope").filter(pk=told["limit"]).first()
    if limit is None:
        raise Http404
    cap: Decimal = told["usd"]
    try:
        changed = change_limit(
            limit.scope, period=limit.period, cap_microusd=to_microusd(cap), by=person.as_actor, may_raise=person.is_owner, why=told["why"],
            fresh_at=person.last_login,
        )  # fmt: skip
    except FactoryError as refusal:
        return _show_money(request, refused=refusal.sentence, status=refusal.http_status)
    said = f"{limit.scope.label} may now spend {in_words(changed.cap_microusd)} {limit.get_period_display()}."
    return go_to(request, "money", say=said)


@require_POST
def switch_product(request: HttpRequest, product_id: UUID) -> HttpResponse:
    """Freeze one venture's money and new work, or let it go on; only the owner lets go on."""
    goes_on = request.POST.get("do") == "resume"
    person = require_role(request, *([User.Role.OWNER] if goes_on else [User.Role.OWNER, User.Role.OPERATOR]))
    product = Product.objects.filter(pk=product_id).first()
    if product is None:
        raise Http404
    words = f"by {person.as_actor} on the page of money"
    try:
        (thaw_product if goes_on else freeze_product)(product, reason=words)
    except FactoryError as refusal:
        return _show_money(request, refused=refusal.sentence, status=refusal.http_status)
    return go_to(
        request, "money", say=f"{product.name} {'goes on' if goes_on else 'rests: no new work, no money'}."
    )


@require_POST
def switch_provider(request: HttpRequest, name: str) -> HttpResponse:
    """Ask one model maker no more, or again; only the owner lets it be asked again."""
    goes_on = request.POST.get("do") == "resume"
    person = require_role(request, *([User.Role.OWNER] if goes_on else [User.Role.OWNER, User.Role.OPERATOR]))
    if not Provider.objects.filter(name=name).exists():
        raise Http404
    if goes_on:
        start_provider(name, by=person.as_actor)
    else:
        stop_provider(name, because=f"stopped by {person.as_actor}", by=person.as_actor)
    return go_to(request, "money", say=f"{name} is asked {'again' if goes_on else 'no more'}.")
