"""Tell of money that goes out of proportion: an agent's minutes, an hour of the factory, an agent's day. Source: R-08.4."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from django.db.models import Sum

from billing.adapters.alerts import alert_table
from billing.models import CostHour, Entry, MoneyAlert, Scope
from billing.rules import AlertTable
from billing.services.alerts import Passed, tell_of_money
from core.clock import start_of_day
from core.services import business_now

MINUTES: Final = 5
WEEK: Final = 7
_WARNING: Final = MoneyAlert.Level.WARNING


def watch_pace() -> int:
    """Tell of every pace that is out of proportion, once for its hour or day; return how many were news.

    Raises:
        LimitsUnreadable: the table of alerts cannot be read; nothing was told.
    """
    now, table = business_now(), alert_table()
    passed = [*_agents_now(now, table), *_factory_hour(now, table), *_agents_today(now, table)]
    return sum(map(tell_of_money, passed))


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
    """Return what five minutes of each agent cost in the hours it worked in, the last five minutes left out."""
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
        if last - at < timedelta(hours=24) and total:
            sums.setdefault(agent, {})[at] = total
    found = {}
    for agent, by_hour in sums.items():
        before = sum(by_hour.values()) - spent[agent]
        minutes = 60 * sum(at != last for at in by_hour) + (now - last) / timedelta(minutes=1) - MINUTES
        if before > 0 and minutes > 0:
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
