"""Money, time, states and drawings in templates."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from django import template
from django.template.context import RequestContext
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from approvals.models import Request
from approvals.rules import Card
from core.money import in_words, to_usd
from factory.console import rules
from factory.console.rules import Promise
from factory.console.rules.decisions import CHANNEL_WORDS, ask_in_words
from factory.console.rules.money import money_alert_words
from factory.console.rules.pnl import Mark
from factory.console.templatetags.books import maker
from factory.insight.services import Alert
from portfolio.models import Opportunity
from portfolio.rules.opportunity import PASSING_POINTS

register = template.Library()


@register.filter
def money(microusd: int | None) -> str:
    """Return `$1,234.56`, or that it is not known yet."""
    return in_words(microusd)


@register.filter
def signed_money(microusd: int) -> str:
    """Return `+$35.76` or `−$35.76`."""
    return f"+{in_words(microusd)}" if microusd > 0 else in_words(microusd)


@register.filter
def money6(microusd: int) -> str:
    """Return six places, as ledgers show: `−$0.004210`."""
    return f"{'−' if microusd < 0 else ''}${to_usd(abs(microusd)).quantize(Decimal('0.000001')):,}"


@register.filter
def lasts(seconds: float | None) -> str:
    """Return `1 h 25 min`."""
    return rules.length_in_words(seconds)


@register.filter
def share(part: float | None) -> str:
    """Return a share of 0 to 1 as `41 %`."""
    return "not known yet" if part is None else f"{round(100 * part)} %"


@register.filter
def points(value: float | None) -> str:
    """Return points of a score, rounded: `57`."""
    return "not scored" if value is None else f"{value:.0f}"


@register.filter
def count_of(number: int, noun: str) -> str:
    """Return `1 decision` or `3 decisions`."""
    return rules.counted(number, noun)


@register.filter
def who(actor: str) -> str:
    """Return `Kev` of `agent:Kev`; a job of the platform is the factory itself."""
    kind, _, name = actor.partition(":")
    return name if kind in {"agent", "owner", "operator"} else "The factory"


@register.filter
def diff_class(line: str) -> str:
    """Return how a line of a diff is coloured."""
    return {"+": "add", "-": "del", "−": "del", "@": "at"}.get(line[:1], "")


@register.filter
def money_month(value: datetime) -> str:
    """Return the month in which money counts at this moment, a UTC one wherever its reader lives: `November`."""
    return f"{value.astimezone(UTC):%B}"


@register.simple_tag(takes_context=True)
def moment(context: RequestContext, value: datetime | None) -> str:
    """Return `14:10`, `Fri 18:12` or `15 Dec` in the owner's time zone."""
    if value is None:
        return "not known yet"
    now: datetime = context["frame"].now
    return rules.moment_in_words(timezone.localtime(value), now=timezone.localtime(now))


@register.simple_tag
@lru_cache(maxsize=256)
def icon(name: str, tone: str = "") -> SafeString:
    """Draw one shape of the sprite; the words beside it say the same."""
    return format_html(
        '<svg class="i{}" aria-hidden="true"><use href="#i-{}"/></svg>', f" {tone}" if tone else "", name
    )


@register.simple_tag
def badge(kind: str, state: str, words: str = "") -> SafeString:
    """Draw a state: shape and words, and colour when it is news."""
    look = rules.look_of(kind, state)
    return format_html(
        '<span class="st{}">{}{}</span>',
        f" {look.tone}" if look.tone else "",
        icon(look.icon),
        words or look.words,
    )


@register.simple_tag
def state_icon(kind: str, state: str) -> SafeString:
    """Draw the shape of a state alone; the words stand beside it."""
    look = rules.look_of(kind, state)
    return icon(look.icon, look.tone)


@register.simple_tag
def look(kind: str, state: str) -> rules.Look:
    """Return how a state looks."""
    return rules.look_of(kind, state)


@register.inclusion_tag("console/parts/spark.html")
def spark(amounts: Sequence[int], label: str) -> dict[str, Any]:
    """Draw one bar a day, today in ink."""
    said = f"{label} per day, last {len(amounts)} days, between {in_words(min(amounts))} and {in_words(max(amounts))}"
    return {"bars": rules.spark_bars(amounts), "label": said, "width": rules.BAR_WIDTH}


@register.inclusion_tag("console/parts/cap.html")
def cap_bar(spent: int, held: int, cap: int | None, forecast: int | None = None) -> dict[str, Any]:
    """Draw what is spent and held of a limit; without a limit there is nothing to draw."""
    if not cap:
        return {"marks": None}
    words = f"{rules.share_in_words(spent, cap)} of {in_words(cap)} spent"
    return {
        "marks": rules.cap_marks(spent=spent, held=held, cap=cap, forecast=forecast),
        "label": f"{words}, {in_words(held)} held" if held else words,
    }


@register.inclusion_tag("console/parts/range.html")
def score_range(idea: Opportunity) -> dict[str, Any]:
    """Draw a score between its worst and best case, with the line from which an idea goes on."""
    return {"idea": idea, "marks": _range_of(idea, width=100.0)}


@register.inclusion_tag("console/parts/range_big.html")
def score_plot(idea: Opportunity) -> dict[str, Any]:
    """Draw the same large, once for a desk and once for a phone, so that its words stay readable."""
    return {
        "idea": idea,
        "drawings": [("wide", _range_of(idea, width=714.0)), ("narrow", _range_of(idea, width=354.0))],
    }


def _range_of(idea: Opportunity, *, width: float) -> rules.RangeMarks:
    return rules.range_marks(
        idea.points, low=idea.low or 0.0, high=idea.high or 0.0, width=width, gate=PASSING_POINTS
    )


@register.filter
def channel_words(channel: str) -> str:
    """Return through which door an answer came: `on a page`."""
    return CHANNEL_WORDS.get(channel, channel)


@register.filter
def ask_words(action: str) -> str:
    """Return what an action is called."""
    return ask_in_words(action)


@register.simple_tag(takes_context=True)
def seconds_left(context: RequestContext, request: Request | Card) -> float:
    """Return how long the owner still has, in seconds of business time, never below 0."""
    now: datetime = context["frame"].now
    return max(0.0, (request.deadline - now).total_seconds())


@register.filter
def money_kind(kind: str) -> str:
    """Return what a kind of money is called."""
    return rules.MONEY_WORDS.get(kind, kind)


@register.filter
def gate_name(gate: str) -> str:
    """Return what a gate measures."""
    return rules.GATE_WORDS.get(gate, gate.capitalize())


@register.filter(name="any")
def has_any(amounts: Sequence[int]) -> bool:
    """Say whether there is anything to draw."""
    return any(amounts)


@register.filter
def thousands(number: int | None) -> str:
    """Return `1,284`, or that it is not known yet."""
    return "not known yet" if number is None else f"{number:,}"


@register.filter
def held(promises: Sequence[Promise]) -> int:
    """Return how many promises held when they were last driven."""
    return sum(promise.has_held is True for promise in promises)


@register.filter
def kind_name(kind: str) -> str:
    """Return what a kind of result is called."""
    return rules.KIND_WORDS.get(kind, kind.replace("_", " "))


@register.filter
def try_words(state: str) -> str:
    """Return how a try ended."""
    return rules.TRY_WORDS.get(state, "not known yet")


@register.filter
def reason(text: str) -> str:
    """Return a reason as a sentence."""
    said = text.strip().replace("_", " ")
    return f"{said[:1].upper()}{said[1:]}{'' if said.endswith(('.', '?')) else '.'}" if said else ""


@register.filter
def part_points(part: Mapping[str, Any]) -> str:
    """Return what a known part of a score brings: `15.5`."""
    return f"{part['weight'] * part['value']:.1f}"


@register.filter
def part_width(part: Mapping[str, Any]) -> str:
    """Return how much of its bar a known part fills, of 100."""
    return f"{100 * part['value']:.1f}"


@register.filter
def is_web(url: str) -> bool:
    """Say whether an address may stand in a link; a stranger's `javascript:` may not."""
    return url.startswith(("https://", "http://"))


@register.simple_tag
def clock(value: datetime) -> str:
    """Return `13:00` in the owner's time zone."""
    return f"{timezone.localtime(value):%H:%M}"


@register.simple_tag
def second(value: datetime) -> str:
    """Return `13:00:07` in the owner's time zone."""
    return f"{timezone.localtime(value):%H:%M:%S}"


_SILENT: Final = {
    "gateway": "No model answers: what needs one waits",
    "edge": "The proxy in front of the products does not answer: releases wait",
    "disk": "The disk is full: what writes waits",
}


@register.simple_tag
def alert_words(alert: Alert) -> str:
    """Return what happened, as a sentence without its stop: `Version 2 of Nightwatch was rolled back`."""
    used, cap = (in_words(amount) for amount in alert.amounts or (0, 0))
    if alert.kind == "down":
        return f"{alert.name} does not answer its customers"
    if alert.kind == "rolled_back":
        return f"Version {alert.version} of {alert.name} was rolled back"
    if alert.kind == "refused":
        return f"{maker(alert.name)} refuses your key or account"
    if alert.kind == "silent":
        return _SILENT.get(alert.name, f"The {alert.name} does not answer: what needs it waits")
    if alert.kind == "gave_up":
        return f"“{alert.name}” gave up"
    if alert.kind == "money":
        return money_alert_words(
            alert.rule, name=alert.name, line=alert.line, amounts=alert.amounts or (0, 0)
        )
    if alert.kind == "at_limit":
        return f"{alert.name} reached its limit: {used} of {cap} {alert.words}"
    return f"{alert.name} has used {used} of {cap} {alert.words}"


@register.simple_tag
def boxes(marks: Iterable[Mark]) -> SafeString:
    """Draw upright boxes."""
    rows = ((one.kind, one.x, one.y, one.width, one.height) for one in marks)
    return format_html_join("", '<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>', rows)


@register.filter
def add_px(value: float, more: float) -> float:
    """Return a place in a drawing moved by this much."""
    return round(value + more, 1)


@register.filter
def signal_day(day: str) -> str:
    """Return the day of a signal as far as it is known: `2 Sep 2026`, `Sep 2026`, `2026`."""
    return rules.day_in_words(day)
