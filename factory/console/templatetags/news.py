"""What is new, and how far things are, in templates."""

from collections.abc import Sequence
from typing import Final

from django import template
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from factory.console.rules.money import money_alert_words
from factory.console.templatetags.console import icon
from factory.insight.services import Alert, News, Venture

register = template.Library()
_NEWS_ICONS: Final = {
    "live": ("done", "good"),
    "rolled_back": ("back", "harm"),
    "stage": ("chev", ""),
    "asked": ("need", "need"),
    "silence": ("clock", ""),
    "gave_up": ("fail", "harm"),
    "done": ("done", "good"),
    "scanned": ("file", ""),
    "money": ("coin", "need"),
}
_LINKS: Final = {
    "live": "venture",
    "rolled_back": "venture",
    "stage": "venture",
    "asked": "decision",
    "silence": "decision",
    "gave_up": "task",
    "done": "graph",
}
_ALERT_ICONS: Final = {
    "down": ("alert", "harm"),
    "rolled_back": ("back", "harm"),
    "refused": ("alert", "need"),
    "silent": ("clock", "need"),
    "gave_up": ("fail", "harm"),
    "at_limit": ("park", "need"),
    "near_limit": ("alert", "need"),
    "money": ("coin", "need"),
}


@register.simple_tag
def news_icon(news: News) -> SafeString:
    """Draw what sort of news it is."""
    return icon(*_NEWS_ICONS[news.kind])


@register.simple_tag
def news_link(news: News) -> str:
    """Return where the news leads."""
    if news.kind in _LINKS:
        return reverse(_LINKS[news.kind], args=[news.ref])
    return reverse("money" if news.kind == "money" else "ideas")


@register.simple_tag
def news_words(news: News) -> str:
    """Return the news as a sentence."""
    if news.kind == "money":
        return money_alert_words(news.more, name=news.name, line=news.line, amounts=news.amounts or (0, 0))
    return {
        "live": f"Version {news.more} of {news.name} serves everyone",
        "rolled_back": f"Version {news.more} of {news.name} was rolled back",
        "stage": f"{news.name} came to {news.more.capitalize()}",
        "asked": f"Asks you: {news.name}",
        "silence": f"Ran out and counted as no: {news.name}",
        "gave_up": f"Gave up: {news.name}",
        "done": f"Done: {news.name}",
        "scanned": f"{news.name} was read, {news.more} new signals",
    }[news.kind]


@register.simple_tag
def alert_icon(alert: Alert) -> SafeString:
    """Draw what sort of alert it is."""
    return icon(*_ALERT_ICONS[alert.kind])


@register.simple_tag
def stage_mark(found: Sequence[Venture]) -> str:
    """Draw what matters most in a stage: waits for you, rolled back, parked; empty: nothing does."""
    if any(one.questions for one in found):
        return icon("need", "fill-need")
    if any(one.taken_back for one in found):
        return icon("back")
    return icon("park") if any(one.is_stalled for one in found) else ""


@register.filter
def more_than(number: int, most: int) -> bool:
    """Say whether a number is above another."""
    return number > most


@register.simple_tag
def progress(done: int, whole: int) -> SafeString:
    """Draw how far something is; the words beside it say the same."""
    return format_html(
        '<svg class="cap" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true"><rect class="t" width="100" height="6"/>'
        '<rect class="s" width="{}" height="6"/></svg>',
        round(100 * done / whole, 1) if whole else 0,
    )
