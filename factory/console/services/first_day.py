"""The answers of the first day: how much a day, in which time zone, who is on."""

from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction

from agents.roster.models import Agent
from agents.roster.services import switch_agent
from billing.adapters.limits import table_row
from billing.errors import RaiseForbidden
from billing.models import Limit, Period
from billing.services import factory_scope, set_limit
from core.errors import BadArguments
from core.models import AuditRow
from core.money import in_words, to_microusd, to_usd
from core.services import audit, change_setting

_MARK = "console.first_day"


@dataclass(frozen=True)
class FirstDay:
    """What an owner answers; `on` None: whoever is on stays on."""

    cap_usd: Decimal
    time_zone: str = "UTC"
    on: tuple[str, ...] | None = None


def first_cap_usd() -> Decimal:
    """Return what a day may cost until its owner says so: the table's value for the first day. Source: U-6."""
    return to_usd(table_row("first_day")["day"]).quantize(Decimal("0.01"))


def most_on_first_day_usd() -> Decimal:
    """Return what may be set without more ado; above it a limit is raised under Money, with a reason and an end."""
    return to_usd(table_row("factory")["day"]).quantize(Decimal("0.01"))


def is_set_up() -> bool:
    """Say whether an owner answered the questions of the first day."""
    return AuditRow.objects.filter(verb=_MARK).exists()


@transaction.atomic
def set_up(answers: FirstDay, *, by: str) -> None:
    """Keep the answers, all or none. Safe to repeat; then the limit may only go down.

    Raises:
        BadArguments: the limit, the time zone or an agent cannot be.
        RaiseForbidden: it was answered before, and this would raise the limit.
    """
    if not (answers.cap_usd.is_finite() and 0 <= answers.cap_usd <= most_on_first_day_usd()):
        raise BadArguments(at="the day's limit", may_be=f"0 to {most_on_first_day_usd()} dollars")
    scope, cap = factory_scope(), to_microusd(answers.cap_usd)
    before = (
        Limit.objects.filter(scope=scope, period=Period.DAY).values_list("cap_microusd", flat=True).first()
    )
    if is_set_up() and before is not None and cap > before:
        raise RaiseForbidden(from_=in_words(before), to=in_words(cap), where="Money, Limits")
    if cap != before:
        set_limit(scope, period=Period.DAY, cap_microusd=cap, by=by, why="first day")
    change_setting("time_zone", answers.time_zone, by=by, why="first day")
    _switch(answers.on, by=by)
    audit(actor=by, verb=_MARK, subject="factory", cap_usd=str(answers.cap_usd))


def _switch(on: tuple[str, ...] | None, *, by: str) -> None:
    """Let exactly these agents take work."""
    if on is None:
        return
    known = {agent.name: agent for agent in Agent.objects.all()}
    if strange := sorted(set(on) - set(known)):
        raise BadArguments(at="who is on", unknown=", ".join(strange))
    for name, agent in known.items():
        if agent.is_enabled != (name in on):
            switch_agent(name, is_enabled=name in on, by=by, why="first day")
