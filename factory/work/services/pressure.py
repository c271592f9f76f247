"""Back-pressure: no more open work than the factory can carry, and an alarm, once, when the line grows long."""

from datetime import timedelta

from django.db import transaction
from django.db.models import Min
from django.utils import timezone

from core.services import publish
from factory.work import rules
from factory.work.errors import QueueFull
from factory.work.models import Alarm, Task
from factory.work.rules import Load, Origin
from portfolio.models import Product


def require_room(fresh: int, *, origin: Origin, product: Product | None) -> None:
    """Pass when `fresh` more tasks may be made.

    Raises:
        QueueFull: says why, and when to ask again.
    """
    load = _load_of(origin, product=product)
    if why := rules.why_full(fresh, load=load, origin=origin):
        raise QueueFull(why=why, wait_s=rules.FULL_WAIT_S)


def _load_of(origin: Origin, *, product: Product | None) -> Load:
    """Counts stop where they say enough."""
    everyone = Task.objects.open()
    by_kev = Task.objects.filter(created_by=rules.KEV, created_at__gt=timezone.now() - timedelta(minutes=1))
    return Load(
        everything=everyone[: rules.MAX_OPEN].count(),
        of_source=0
        if origin.source == rules.SYSTEM
        else everyone.filter(source=origin.source)[: rules.MAX_OPEN_PER_SOURCE].count(),
        of_product=everyone.filter(dag__product=product)[: rules.MAX_OPEN_PER_PRODUCT].count()
        if product
        else 0,
        of_kev=by_kev.count() if origin.by == rules.KEV else 0,
    )


def watch_line() -> None:
    """Sound an alarm, once, when many tasks wait for long or one waits for very long. Safe to run twice."""
    now, line = timezone.now(), Task.objects.claimable()
    count = line.order_by()[: rules.MANY_READY + 1].count()
    _keep_alarm("depth", is_on=count > rules.MANY_READY, after_s=rules.MANY_FOR_S)
    oldest = line.order_by().aggregate(oldest=Min("ready_at"))["oldest"]
    waits_s = (now - oldest).total_seconds() if oldest else 0.0
    _keep_alarm("wait", is_on=waits_s > rules.LONG_WAIT_S, after_s=0)


@transaction.atomic
def _keep_alarm(name: str, *, is_on: bool, after_s: float) -> None:
    if not is_on:
        Alarm.objects.filter(pk=name).delete()
        return
    now = timezone.now()
    alarm, _ = Alarm.objects.get_or_create(pk=name, defaults={"since": now})
    is_due = (now - alarm.since).total_seconds() >= after_s
    if is_due and Alarm.objects.filter(pk=name, told_at=None).update(told_at=now):
        publish("work.line_alarmed", alarm=name, since=alarm.since.isoformat())
