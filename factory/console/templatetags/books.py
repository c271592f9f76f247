"""Plots, calls and agents in templates."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from django import template
from django.template.context import RequestContext
from django.utils import timezone

from agents.gateway.models import Call
from billing.models import Hold
from factory.console import rules
from factory.console.rules.plots import Plot

register = template.Library()

BAND_WORDS: Final = {"low": "cheap or local", "mid": "mid-priced", "top": "top"}
TIER_WORDS: Final = {
    "local": "local",
    "budget": "cheap",
    "mid": "mid-priced",
    "premium": "mid-priced",
    "frontier": "top",
}


@register.inclusion_tag("console/parts/plot.html")
def plot(drawing: Plot, label: str) -> dict[str, Any]:
    """Draw bars on lines; `label` says in a sentence what they show."""
    return {"plot": drawing, "label": label}


@register.simple_tag(takes_context=True)
def instant(context: RequestContext, value: datetime) -> str:
    """Return `10:39:58` today, else `25 Nov 10:39`, in the owner's time zone."""
    now: datetime = context["frame"].now
    here = timezone.localtime(value)
    return (
        f"{here:%H:%M:%S}" if here.date() == timezone.localtime(now).date() else f"{here.day} {here:%b %H:%M}"
    )


@register.filter
def band_name(band: str) -> str:
    """Return what a price band is called."""
    return BAND_WORDS.get(band, "in no list")


@register.filter
def tier_words(tier: str) -> str:
    """Return which band of price a tier is in, in a word."""
    return TIER_WORDS.get(tier, "any")


@register.filter
def call_words(status: str) -> str:
    """Return how a call ended."""
    return rules.look_of("call", status).words


@register.filter
def took(call: Call) -> float | None:
    """Return how many seconds a call took; None: it is on its way."""
    return (call.ended_at - call.started_at).total_seconds() if call.ended_at else None


@register.filter
def held_total(holds: Iterable[Hold]) -> int:
    """Return what these holds keep aside together."""
    return sum(hold.bound_microusd for hold in holds)
