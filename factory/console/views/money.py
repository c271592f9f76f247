"""Money: what is spent, held and allowed, by whom and on what; and the switches."""

from dataclasses import dataclass, replace
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.db.models import Prefetch, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from agents.gateway.models import ModelEntry, Provider
from billing.models import Limit, Period, RevenueEvent, Scope, Switch
from billing.rules import RAISE_LASTS
from billing.services import change_limit
from core.errors import FactoryError
from core.models import User
from core.money import in_words, to_microusd
from core.services import business_now
from factory.console.forms import LimitForm, SwitchForm
from factory.console.rules.plots import SIZES, Plot, plot_bars, share_marks
from factory.console.services.turns import turn_off, turn_on
from factory.console.templatetags.books import maker
from factory.console.views.frame import Page, frame_now, go_to, later, require_role, show
from factory.insight.services import GOAL_SHARES, Band, Costs, costs_now, money_now
from portfolio.models import Product

EARNED_SHOWN = 12
LABEL_EVERY = 6
FIRST_VENTURES = 8
SPENDERS = (Scope.Kind.FACTORY, Scope.Kind.TEAM, Scope.Kind.AGENT, Scope.Kind.TIER)


@dataclass(frozen=True)
class Turn:
    """One switch as it stands; `off` None: it is on."""

    kind: str
    ref: str
    label: str
    words: str
    off: Switch | None


@never_cache
@require_safe
def money(request: HttpRequest) -> HttpResponse:
    """Show where the money goes, and what every limit still allows. Source: R-08.19."""
    return _show_money(request)


def _show_money(request: HttpRequest, *, refused: str = "", status: int = 200) -> HttpResponse:
    frame = frame_now()
    costs = costs_now(frame.now)
    now = money_now(frame.now)
    agents = [(one, _turn("agent", one.agent.name, one.agent.name, costs=costs)) for one in costs.agents]
    page: Page = {
        "frame": frame,
        "money": now,
        "costs": costs,
        "plots": later(lambda: _plots(costs)),
        "mixes": _mixes(costs.bands),
        "agents": agents,
        "turns": _turns(costs, agents=[turn for _, turn in agents]),
        "limits": _limits(costs),
        "earned": RevenueEvent.objects.select_related("scope").order_by("-at", "-pk")[:EARNED_SHOWN],
        "refused": refused,
        "parts": ("totals", "spending", "agents", "switches"),
    }
    return show(request, "console/money.html", page, place="money", status=status)


def _turn(kind: str, ref: str, label: str, *, costs: Costs, words: str = "") -> Turn:
    return Turn(kind, ref, label, words, costs.off.get((kind, ref)))


@dataclass(frozen=True)
class Turns:
    """All switches but that of everything: those at hand, and the others by their folds."""

    first: list[Turn]
    folds: list[tuple[str, list[Turn]]]


def _turns(costs: Costs, *, agents: list[Turn]) -> Turns:
    """Return teams, model makers and the first ventures; single agents, single models and more ventures fold away."""
    teams = [
        _turn("team", one.name, f"{one.name.capitalize()} team", costs=costs, words=", ".join(one.agents))
        for one in costs.teams
    ]
    makers, models = _makers(costs)
    ventures = [_venture(one.product, costs) for one in costs.ventures]
    folds = [
        ("Single agents", agents),
        ("Single models", models),
        ("More ventures", ventures[FIRST_VENTURES:]),
    ]
    return Turns([*teams, *makers, *ventures[:FIRST_VENTURES]], folds)


def _venture(product: Product, costs: Costs) -> Turn:
    """A venture that was parked elsewhere is off too."""
    turn = _turn("product", product.slug, product.name, costs=costs, words="May work")
    if turn.off is None and product.state == Product.State.FROZEN:
        return replace(turn, off=Switch(kind=turn.kind, ref=turn.ref, by="", reason="rests"))
    return turn


_MODELS: Final = ModelEntry.objects.only("provider", "name", "tier").order_by("name")
_MAKERS: Final = (
    Provider.objects.only("name", "is_enabled", "stopped_because")
    .order_by("name")
    .prefetch_related(Prefetch("entries", _MODELS))
)


def _makers(costs: Costs) -> tuple[list[Turn], list[Turn]]:
    """Return every model maker, and their models; a maker that was stopped by other hands is off too."""
    makers, models = [], []
    for one in _MAKERS.all():
        turn = _turn("provider", one.name, maker(one.name), costs=costs, words="May be asked")
        if not one.is_enabled and turn.off is None:
            turn = replace(
                turn, off=Switch(kind=turn.kind, ref=turn.ref, by="", reason=one.stopped_because or "stopped")
            )
        makers.append(turn)
        models += [
            _turn("model", f"{one.name}/{entry.name}", entry.name, costs=costs, words=entry.tier)
            for entry in one.entries.all()
        ]
    return makers, models


_SPENDERS: Final = Scope.objects.filter(kind__in=SPENDERS).values_list("pk", flat=True)
_CHANGEABLE: Final = (
    Limit.objects.exclude(period=Period.CALL)
    .select_related("scope")
    .order_by("-scope__kind", "scope__label", "period")
)


def _limits(costs: Costs) -> QuerySet[Limit]:
    """Return what may be changed here: the factory, teams, agents, tiers, and the ventures that are shown."""
    shown = [*_SPENDERS.all(), *(one.product.scope_id for one in costs.ventures)]
    return _CHANGEABLE.filter(scope__in=shown)


def _plots(costs: Costs) -> list[Plot]:
    """Return spending per hour as two drawings, with the line above which this hour is told of."""
    amounts = [amount for _, amount in costs.hours]
    labels = [
        f"{timezone.localtime(hour):%H:%M}" if n % LABEL_EVERY == 0 else ""
        for n, (hour, _) in enumerate(costs.hours)
    ]
    labels[-1] = "now"
    pace = costs.pace.hour_microusd
    words = {
        "wide": f"alert above {in_words(pace)}: out of proportion to the hour before",
        "narrow": f"alert above {in_words(pace)}",
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
            fresh_at=person.last_login, until=_end_of(told["until"]),
        )  # fmt: skip
    except FactoryError as refusal:
        return _show_money(request, refused=refusal.sentence, status=refusal.http_status)
    said = f"{limit.scope.label} may now spend {in_words(changed.cap_microusd)} {limit.get_period_display()}."
    return go_to(request, "money", say=said)


def _end_of(day: date | None) -> datetime | None:
    """A raise that ends on a day ends with it, where the owner is; on the last day there is, at the hour it is now."""
    if day is None:
        return None
    zone, latest = ZoneInfo(frame_now().zone), business_now() + RAISE_LASTS
    is_last = day == latest.astimezone(zone).date()
    return latest if is_last else datetime.combine(day, time.max, tzinfo=zone)


@require_POST
def switch(request: HttpRequest) -> HttpResponse:
    """Switch an agent, a team, a model maker or a model off, or on again; only the owner switches on. Source: R-08.17."""
    form = SwitchForm(request.POST)
    if not form.is_valid():
        return _show_money(request, refused="Nothing of that name can be switched.", status=400)
    way, kind, ref = form.cleaned_data["turn"].split(" ", 2)
    goes_on = way == "on"
    person = require_role(request, *([User.Role.OWNER] if goes_on else [User.Role.OWNER, User.Role.OPERATOR]))
    try:
        if goes_on:
            turn_on(kind, ref, by=person.as_actor)
        else:
            turn_off(kind, ref, by=person.as_actor, reason=form.cleaned_data["why"] or "by hand, under Money")
    except FactoryError as refusal:
        return _show_money(request, refused=refusal.sentence, status=refusal.http_status)
    return go_to(request, "money", say=f"{ref} {'goes on' if goes_on else 'is switched off'}.")
