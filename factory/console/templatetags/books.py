"""Plots, calls and agents in templates."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from django import template
from django.template.context import RequestContext
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from agents.gateway.models import Call
from billing.models import Hold
from core.money import to_usd
from core.registry import Setting
from factory.console import rules
from factory.console.rules.plots import Plot

register = template.Library()

MAKER_NAMES: Final = {"openai": "OpenAI", "xai": "xAI", "deepseek": "DeepSeek"}
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
def maker(name: str) -> str:
    """Return how a model maker writes its name."""
    return MAKER_NAMES.get(name, name.capitalize())


@register.filter
def band_name(band: str) -> str:
    """Return what a price band is called."""
    return BAND_WORDS.get(band, "in no list")


@register.filter
def key_words(source: str) -> str:
    """Return where a key comes from, in words."""
    return {
        "environment": "from the environment",
        "stored": "stored sealed",
        "none needed": "needs no key",
    }.get(source, "no key")


@register.filter
def use_words(state: str) -> str:
    """Return whether a model may be used, or why not."""
    return {
        "ready": "Ready",
        "unseen": "Not checked yet",
        "no_price": "Refused: no price",
        "not_in_key": "Not in this key",
        "stopped": "Its maker is stopped",
    }.get(state, "No key")


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


@register.filter
def as_commands(words: str) -> SafeString:
    """Return a sentence whose `commands` stand in the type of commands."""
    parts = words.split("`")
    return format_html_join(
        "",
        "{}",
        ((part if n % 2 == 0 else format_html("<code>{}</code>", part),) for n, part in enumerate(parts)),
    )


@register.filter
def slug_of(key: str) -> str:
    """Return a name that may stand as an id."""
    return key.replace(".", "-").replace("_", "-")


@register.simple_tag
def setting_words(setting: Setting, value: int | str) -> str:
    """Return a value of a setting as people read it."""
    return setting.in_words(value)


@register.filter
def who_sets(actor: str) -> str:
    """Return who changed a setting: `ada` of `owner:ada`."""
    return actor.rpartition(":")[2]


@register.filter
def price(microusd: int) -> str:
    """Return a price with as many places as it has, at least two: `$0.025`."""
    whole, _, part = f"{to_usd(microusd):.6f}".partition(".")
    return f"${whole}.{part.rstrip('0').ljust(2, '0')}"
