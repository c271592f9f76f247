"""Switches: how each stands, and the button that turns it; one form stands around a whole list of them."""

from typing import Protocol

from django import template
from django.template.context import RequestContext
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from billing.models import Switch
from factory.console.templatetags.console import clock, icon, moment, reason

register = template.Library()


class Turn(Protocol):
    """One switch as it stands; `off` None: it is on."""

    kind: str
    ref: str
    label: str
    words: str
    off: Switch | None


@register.simple_tag(takes_context=True)
def turn_button(context: RequestContext, turn: Turn, off_word: str = "Stop") -> SafeString:
    """Draw the button for whom it is: owner and operators switch off, the owner alone on again."""
    user = context["user"]
    if not (user.is_owner if turn.off else user.may_operate):
        return mark_safe("")
    way, word, does = (
        ("on", "Go on", f"Let {turn.label} go on")
        if turn.off
        else ("off", off_word, f"{off_word} {turn.label}")
    )
    look = "btn quiet" if off_word == "Pause" else "btn"
    return format_html(
        '<button class="{}" type="submit" name="turn" value="{} {} {}" aria-label="{}">{}</button>',
        look, way, turn.kind, turn.ref, does, word,
    )  # fmt: skip


@register.simple_tag
def turn_icon(turn: Turn) -> SafeString:
    """Draw whether it is on."""
    return icon("off", "need") if turn.off else icon("live")


@register.simple_tag(takes_context=True)
def turn_words(context: RequestContext, turn: Turn) -> str:
    """Return how it stands, in words."""
    off = turn.off
    if off is None:
        return turn.words
    if off.until:
        return f"Rests until {clock(off.until)}: {off.reason}"
    return f"Off since {moment(context, off.set_at)}: {off.reason}" if off.by else reason(off.reason)
