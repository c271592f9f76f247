"""Tell of money that goes out of proportion: an agent's minutes, an hour of the factory, an agent's day. Source: R-08.4."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from django.db.models import Sum
from django.utils import timezone

from billing.adapters.alerts import alert_table
from billing.adapters.limits import table_row
from billing.models import CostHour, Entry, MoneyAlert, Scope, Switch
from billing.rules import AlertTable, Pace
from billing.services.alerts import Passed, tell_of_money
from billing.services.switches import last_resumed, set_switch
from core.clock import start_of_day
from core.money import in_words
from core.services import business_now

MINUTES: Final = 5
LEAST_HOURS: Final = 2


@dataclass(frozen=True)
class PaceLines:
    """Above what within five minutes an agent pauses, an agent is stopped, everything stops; and how an hour is measured."""

    agent_pause_microusd: int
    agent_stop_microusd: int
    factory_stop_microusd: int
    hour: Pace


def pace_lines() -> PaceLines:
    """Return the lines as the table says them.

    Raises:
        LimitsUnreadable: it cannot be read.
    """
    row = table_row("velocity")
    return PaceLines(row["agent_pause"], row["agent_stop"], row["factory_stop"], alert_table().factory_hour)


WEEK: Final = 7
_WARNING: Final = MoneyAlert.Level.WARNING


def watch_pace() -> int:
    """Tell of every pace that is out of proportion, once for its hour or day, and let such an agent rest; return how many were news.

    Raises:
        LimitsUnreadable: the table of alerts cannot be read; nothing was told.
    """
    now, table = business_now(), alert_table()
    passed = [*_agents_now(now, table), *_factory_hour(now, table), *_agents_today(now, table)]
    for one in passed:
        if one.rule == MoneyAlert.Rule.AGENT_PACE:
            _let_rest(one, minutes=table.agent_pace.pause_min)
    return sum(map(tell_of_money, passed))


def _let_rest(passed: Passed, *, minutes: int) -> None:
    """A rest that began is not made longer by what was under way then; who was resumed has five minutes of its own."""
    ref, now = passed.scope.ref, timezone.now()
    is_resting = Switch.objects.open(now).filter(kind=Switch.Kind.AGENT, ref=ref).exists()
    if not is_resting and last_resumed(Switch.Kind.AGENT, ref, now=now) is None:
        reason = f"{in_words(passed.amount)} within five minutes, usually {in_words(passed.limit)}"
        until = now + timedelta(minutes=minutes)
        set_switch(Switch.Kind.AGENT, ref, by="velocity", reason=reason, until=until, is_auto=True)


def _agents_now(now: datetime, table: AlertTable) -> Iterator[Passed]:
    """Agents whose last five minutes are out of proportion to the hours of the last day in which they worked."""
    rows = Entry.objects.between(now - timedelta(minutes=MINUTES), now + timedelta(seconds=1))
    rows = rows.filter(kind=Entry.Kind.MODEL_CALL).exclude(agent="").order_by()
    spent = dict(rows.values_list("agent").annotate(total=Sum("amount_microusd")))
    usual = _usual_minutes(now, spent)
    hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    scopes = _agents(spent)
    for agent, amount in spent.items():
        before = usual.get(agent)
        if before is None or agent not in scopes:
            continue
        if table.agent_pace.is_passed(amount, before_microusd=before):
            yield Passed(scopes[agent], MoneyAlert.Rule.AGENT_PACE, 0, hour, _WARNING, amount, before)


def _usual_minutes(now: datetime, spent: Mapping[str, int]) -> dict[str, int]:
    """Return what five minutes of each agent cost in the hours it worked in, the last five minutes left out.

    Who worked in fewer than two full hours has no usual pace yet.
    """
    last = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    rows = CostHour.objects.between((last - timedelta(hours=23)).date(), last.date())
    hours = (
        rows.filter(agent__in=spent, kind=Entry.Kind.MODEL_CALL)
        .order_by()
        .values_list("agent", "day", "hour")
    )
    sums: dict[str, dict[datetime, int]] = {}
    for agent, day, hour, total in hours.annotate(total=Sum("amount_microusd")):
        at = datetime(day.year, day.month, day.day, hour, tzinfo=UTC)
        if timedelta(0) <= last - at < timedelta(hours=24) and total:
            sums.setdefault(agent, {})[at] = total
    found = {}
    for agent, by_hour in sums.items():
        before = sum(by_hour.values()) - spent[agent]
        full_hours = sum(at != last for at in by_hour)
        minutes = 60 * full_hours + (now - last) / timedelta(minutes=1) - MINUTES
        if before > 0 and full_hours >= LEAST_HOURS:
            found[agent] = round(before * MINUTES / minutes)
    return found


def _factory_hour(now: datetime, table: AlertTable) -> Iterator[Passed]:
    """The hour that runs, against the one before."""
    hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    amount, before = _hour(hour), _hour(hour - timedelta(hours=1))
    scope = Scope.objects.filter(kind=Scope.Kind.FACTORY).first()
    if scope and table.factory_hour.is_passed(amount, before_microusd=before):
        yield Passed(scope, MoneyAlert.Rule.FACTORY_HOUR, 0, hour, _WARNING, amount, before)


def _hour(hour: datetime) -> int:
    rows = CostHour.objects.filter(day=hour.date(), hour=hour.hour, kind=Entry.Kind.MODEL_CALL)
    return rows.total_microusd()


def _agents_today(now: datetime, table: AlertTable) -> Iterator[Passed]:
    """Agents whose day stands out of the seven before; a factory younger than that is not judged."""
    today = start_of_day(now).date()
    first = today - timedelta(days=WEEK)
    models = CostHour.objects.filter(kind=Entry.Kind.MODEL_CALL)
    if not models.filter(day__lte=first).exists():
        return
    rows = models.between(first, today).exclude(agent="").order_by().values_list("agent", "day")
    days = Counter({(agent, day): total for agent, day, total in rows.annotate(total=Sum("amount_microusd"))})
    for agent, scope in _agents(agent for agent, day in days if day == today).items():
        usual = [days[agent, first + timedelta(days=number)] for number in range(WEEK)]
        amount = days[agent, today]
        if table.agent_day.is_passed(amount, days=usual):
            rule, mean = MoneyAlert.Rule.AGENT_DAY, sum(usual) // WEEK
            yield Passed(scope, rule, 0, start_of_day(now), _WARNING, amount, mean)


def _agents(names: Iterable[str]) -> dict[str, Scope]:
    return {one.ref: one for one in Scope.objects.filter(kind=Scope.Kind.AGENT, ref__in=list(names))}
