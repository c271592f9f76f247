"""Steps, tries and waits in templates."""

from datetime import datetime, timedelta
from typing import Final

from django import template
from django.template.context import RequestContext
from django.utils import timezone
from django.utils.safestring import SafeString

from factory.console import rules
from factory.console.rules import waits
from factory.console.rules.trace import span_length
from factory.console.rules.transcript import Line
from factory.console.templatetags.console import icon
from factory.insight.services import Step
from factory.insight.services.queue import BANDS, Wait
from factory.work.models import Schedule

register = template.Library()
_LINE_ICONS: Final = {
    "say": "say",
    "answer": "say",
    "write": "edit",
    "run": "term",
    "read": "file",
    "tool": "term",
    "note": "say",
}


def _business(context: RequestContext, moment: datetime) -> datetime:
    """Return machine time as the pages' clock tells it."""
    ahead: timedelta = context["frame"].now - timezone.now()
    return moment + ahead


@register.simple_tag(takes_context=True)
def machine_moment(context: RequestContext, value: datetime | None) -> str:
    """Return a moment of machine time as `14:10`, `Fri 18:12` or `15 Dec` of the owner's clock."""
    if value is None:
        return "not known yet"
    now: datetime = context["frame"].now
    return rules.moment_in_words(timezone.localtime(_business(context, value)), now=timezone.localtime(now))


@register.simple_tag(takes_context=True)
def machine_clock(context: RequestContext, value: datetime) -> str:
    """Return a moment of machine time as `13:00` of the owner's clock."""
    return f"{timezone.localtime(_business(context, value)):%H:%M}"


@register.simple_tag(takes_context=True)
def drawn(context: RequestContext, name: str) -> SafeString:
    """Return a part as it would be included here, to be shown in two places and drawn once."""
    part: SafeString = template.Engine.get_default().get_template(name).render(context)
    return part


@register.simple_tag
def ago(value: datetime) -> str:
    """Return how long ago a moment of machine time was: `31 min`."""
    return rules.length_in_words(max(0.0, (timezone.now() - value).total_seconds()))


@register.filter
def span_took(seconds: float) -> str:
    """Return how long a span took: `240 ms`, `1.4 s`, `6 min`."""
    return span_length(seconds)


@register.simple_tag
def share_of(part: int, whole: int) -> str:
    """Return `41 %`."""
    return rules.share_in_words(part, whole)


@register.filter
def node_class(state: str) -> str:
    """Return how a step of a graph is drawn."""
    return rules.node_class(state)


@register.filter
def queue_name(queue: str) -> str:
    """Return what a queue is called."""
    return waits.QUEUE_WORDS.get(queue, queue)


@register.filter
def priority_name(priority: int) -> str:
    """Return what a priority is called, with its number."""
    return f"{band_of(priority)} ({priority})"


@register.filter
def band_of(priority: int) -> str:
    """Return what a priority is called."""
    return next((name for name, below in BANDS if priority < below), BANDS[-1][0])


@register.simple_tag
def cron_words(schedule: Schedule) -> str:
    """Return when something runs, in words where there are some."""
    words = waits.cron_in_words(schedule.cron)
    return f"{words}, time of {schedule.zone}" if schedule.zone else words


@register.simple_tag
def step_foot(step: Step) -> str:
    """Return the last line of a step in a drawing: `Rex · 48 min`, `Pixel · 3 tries`."""
    who = step.task.agent.name if step.task.agent else "Factory"
    if step.is_cut:
        return f"{who} · cannot start"
    if step.task.state == step.task.State.DEAD_LETTER:
        return f"{who} · {rules.counted(len(step.tries), 'try', plural='tries')}"
    if step.seconds is not None:
        return f"{who} · {rules.length_in_words(step.seconds)}"
    return f"{who} · {rules.look_of('task', step.task.state).words.lower()}"


@register.simple_tag
def wait_icon(wait: Wait) -> SafeString:
    """Draw what a wait is for."""
    return icon(*waits.WAIT_LOOKS.get(wait.kind, ("queue", "")))


@register.simple_tag
def wait_words(wait: Wait) -> str:
    """Return what a wait is for: `For you`, `For another step`, `Rex has enough to do`."""
    if wait.kind == "held":
        return waits.HELD_WORDS.get(wait.what, "Kept out of the line")
    if wait.kind == "agent":
        return f"{wait.what[:1].upper()}{wait.what[1:]}"
    if wait.kind == "queue":
        return f"{waits.QUEUE_WORDS.get(wait.what, wait.what)}: paused"
    return waits.WAIT_WORDS[wait.kind]


@register.simple_tag
def wait_why(wait: Wait) -> str:
    """Return whose steps wait: `Feedcheck 4, Quietly Paid 3`, or what will let them go on."""
    if wait.products:
        return ", ".join(f"{name} {number:,}" for name, number in wait.products)
    return waits.WAIT_ENDS.get(wait.kind, "")


@register.simple_tag
def line_icon(line: Line) -> SafeString:
    """Draw what was done."""
    return icon(_LINE_ICONS.get(line.kind, "file"), "" if line.state in ("done", "waits") else "harm")
