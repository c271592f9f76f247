"""First day: five short steps until the factory may work, each with its result in view."""

from collections.abc import Callable
from datetime import datetime
from itertools import groupby

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from agents.gateway.adapters.keyring import reachable
from agents.gateway.models import Provider
from agents.gateway.rules.offers import Standing, in_words
from agents.gateway.services.keys import KeyShown, forget_key, keys_shown
from agents.gateway.services.makers import enter_price, standings
from agents.roster.models import Agent
from approvals.models import Decision
from core.errors import FactoryError
from core.models import User
from factory.console.forms import FirstDayForm, KeyForm, MakerForm, PriceForm, time_zones
from factory.console.services import (
    cap_offered_usd,
    is_opening,
    is_set_up,
    last_check,
    may_open,
    most_on_first_day_usd,
    set_up,
    try_key,
)
from factory.console.views.frame import Page, frame_now, go_to, require_role, show
from factory.quality.services import is_waived, waive_review
from portfolio.models import Product

SHOWN_UNPRICED = 12
"""So many models without a price are named; a maker's list may hold hundreds."""


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def first_day(request: HttpRequest) -> HttpResponse:
    """Show how far the first day is; a POST sets limits, time zone and who is on."""
    if request.method != "POST":
        return _show(request)
    person = require_role(request, User.Role.OWNER)
    form = FirstDayForm(request.POST)
    if not form.is_valid():
        return _show(
            request,
            refused=f"Write an amount up to ${most_on_first_day_usd()} and choose a time zone.",
            status=400,
        )

    def keep() -> str:
        set_up(form.answers, by=person.as_actor)
        if form.cleaned_data["waive"]:
            waive_review(by=person, channel=Decision.Channel.PAGE)
        return "Kept. You may change all of it at any time."

    return _do(request, keep)


@never_cache
@sensitive_post_parameters("key")
@require_POST
def give_key(request: HttpRequest) -> HttpResponse:
    """Prove a key by one small call and keep it."""
    person = require_role(request, User.Role.OWNER)
    form = KeyForm(request.POST)
    if not form.is_valid():
        return _show(
            request, refused="Choose a maker and paste its key whole, or write an address.", status=400
        )
    after = "The real factory takes over now." if may_open() else "Its models stand below."
    return _do(request, lambda: f"{try_key(form.given, by=person.as_actor)} {after}")


@require_POST
def drop_key(request: HttpRequest) -> HttpResponse:
    """Forget a stored key."""
    person = require_role(request, User.Role.OWNER)
    form = MakerForm(request.POST)
    if not form.is_valid():
        return _show(request, refused="Say whose key.", status=400)

    def forget() -> str:
        forget_key(form.cleaned_data["maker"], by=person.as_actor)
        return "Forgotten. Nothing calls it any more."

    return _do(request, forget)


@require_POST
def give_price(request: HttpRequest) -> HttpResponse:
    """Say what a model costs; only then is it called."""
    person = require_role(request, User.Role.OWNER)
    form = PriceForm(request.POST)
    if not form.is_valid():
        return _show(request, refused="Choose a model and write both prices in dollars.", status=400)
    told = form.cleaned_data
    maker, _, model = told["model"].partition("/")

    def keep() -> str:
        enter_price(
            maker, model, input_usd=told["input_usd"], output_usd=told["output_usd"], tier=told["tier"],
            window_tokens=told["window"], longest_tokens=told["longest"], by=person.as_actor,
        )  # fmt: skip
        return f"{model} may be used from today on."

    return _do(request, keep)


def _do(request: HttpRequest, verb: Callable[[], str]) -> HttpResponse:
    """Carry out one verb: then the page anew with what it says, or with why it was refused; nothing that was typed is repeated."""
    try:
        say = verb()
    except FactoryError as refusal:
        words = f"{refusal.sentence} {refusal.advice}".strip()
        return _show(request, refused=words, status=refusal.http_status)
    return go_to(request, "first_day", say=say)


def _show(request: HttpRequest, *, refused: str = "", status: int = 200) -> HttpResponse:
    frame, is_done = frame_now(), is_set_up()
    page: Page = {
        "frame": frame,
        "is_done": is_done,
        "has_venture": Product.objects.exists(),
        "cap_usd": f"{cap_offered_usd()}",
        "zones": time_zones(),
        "agents": Agent.objects.order_by("-is_enabled", "name"),
        "refused": refused,
        "may_open": may_open(),
        "is_opening": is_opening(),
        "makers": list(Provider.objects.filter(added_by="").order_by("name").values_list("name", flat=True)),
        "most_usd": most_on_first_day_usd(),
        **_models_and_keys(),
    }
    return show(request, "console/first_day.html", page, place="first_day", status=status)


def _models_and_keys() -> Page:
    """What the keys have: every maker with its key, every model with its price or why it is not used."""
    in_reach, found = reachable(mode=settings.MODE), standings()
    keyed = [_key_row(one) for one in keys_shown() if one.provider in in_reach]
    ours = [one for one in found if one.provider in in_reach]
    unpriced = [one for one in ours if one.state == "no_price"]
    return {
        "keyed": keyed,
        "models": [one for one in ours if one.state in ("ready", "unseen", "stopped")],
        "absent": [one for one in ours if one.state == "not_in_key"],
        "unpriced": unpriced[:SHOWN_UNPRICED],
        "unpriced_more": max(0, len(unpriced) - SHOWN_UNPRICED),
        "to_price": [(maker, list(rows)) for maker, rows in groupby(_to_price(ours), key=_maker_of)],
        "models_words": in_words(ours),
        "is_one_maker": settings.MODE == "real" and len(in_reach) == 1,
        "is_waived": is_waived(),
    }


def _to_price(ours: list[Standing]) -> list[Standing]:
    """Models whose price is their owner's word, of each maker those first that have none yet."""
    found = [one for one in ours if one.may_price and one.state != "not_in_key"]
    return sorted(found, key=lambda one: (one.provider, one.input_microusd is not None))


def _maker_of(one: Standing) -> str:
    return one.provider


def _key_row(one: KeyShown) -> dict[str, object]:
    """One maker's key, when it was proved and what that cost."""
    check = last_check(one.provider)
    at: datetime | None = check.started_at if check else None
    return {"key": one, "proved_at": at, "cost_microusd": check.cost_microusd if check else None}
