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
from core.registry import find_setting
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


def cap_offered_usd() -> Decimal:
    """Return the day's limit that stands in the question: what is set once it was answered, else the table's first."""
    now = _cap_now() if is_set_up() else None
    return first_cap_usd() if now is None else to_usd(now).quantize(Decimal("0.01"))


def check_cap(cap_usd: Decimal) -> Decimal:
    """Return `cap_usd` if it may be set as the day's limit now.

    Raises:
        BadArguments: it cannot be.
        RaiseForbidden: the question was answered before, and this would raise the limit.
    """
    if not (cap_usd.is_finite() and 0 <= cap_usd <= most_on_first_day_usd()):
        raise BadArguments(at="the day's limit", may_be=f"0 to {most_on_first_day_usd()} dollars")
    before, cap = _cap_now(), to_microusd(cap_usd)
    if is_set_up() and before is not None and cap > before:
        raise RaiseForbidden(from_=in_words(before), to=in_words(cap), where="Money, Limits")
    return cap_usd


def check_zone(name: str) -> str:
    """Return `name` if it is a time zone.

    Raises:
        BadArguments: it is none; says how one is written.
    """
    return str(find_setting("time_zone").read(name))


def check_on(names: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Return the names if they are agents, every one of them; None: whoever is on.

    Raises:
        BadArguments: somebody of this name does not work here.
    """
    known = set(Agent.objects.values_list("name", flat=True))
    if strange := sorted(set(names or ()) - known):
        raise BadArguments(at="who is on", unknown=", ".join(strange), may_be=", ".join(sorted(known)))
    return names


def _cap_now() -> int | None:
    """The factory's limit a day, in micro-dollars; None: there is none."""
    limits = Limit.objects.filter(scope=factory_scope(), period=Period.DAY)
    return limits.values_list("cap_microusd", flat=True).first()


@transaction.atomic
def set_up(answers: FirstDay, *, by: str) -> None:
    """Keep the answers, all or none. Safe to repeat; then the limit may only go down.

    Raises:
        BadArguments: the limit, the time zone or an agent cannot be.
        RaiseForbidden: it was answered before, and this would raise the limit.
    """
    cap = to_microusd(check_cap(answers.cap_usd))
    if cap != _cap_now():
        set_limit(factory_scope(), period=Period.DAY, cap_microusd=cap, by=by, why="first day")
    change_setting("time_zone", answers.time_zone, by=by, why="first day")
    _switch(check_on(answers.on), by=by)
    audit(actor=by, verb=_MARK, subject="factory", cap_usd=str(answers.cap_usd))


def _switch(on: tuple[str, ...] | None, *, by: str) -> None:
    """Let exactly these agents take work."""
    if on is None:
        return
    for agent in Agent.objects.all():
        if agent.is_enabled != (agent.name in on):
            switch_agent(agent.name, is_enabled=agent.name in on, by=by, why="first day")
