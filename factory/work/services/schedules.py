"""Schedules: set by people, started by whoever sees first that they are due."""

import logging
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from billing.services import factory_scope
from core.errors import FactoryError, NotFound
from core.ids import new_id
from core.models import Installation
from core.registry import TaskSpec
from core.services import audit, business_now, may_begin
from factory.work import rules
from factory.work.errors import QueueFull
from factory.work.models import Schedule, Task
from factory.work.rules import Origin
from factory.work.services.graphs import checked_agents, create_graph
from portfolio.models import Product

logger = logging.getLogger(__name__)


@transaction.atomic
def set_schedule(
    name: str,
    *,
    cron: str,
    tasks: Sequence[TaskSpec],
    by: str,
    zone: str = "",
    product: Product | None = None,
) -> Schedule:
    """Keep a schedule under this name, made or changed; its next run is the next time it is due from now on.

    Args:
        name: one name, one schedule.
        cron: minute, hour, day, month, weekday.
        tasks: what each run is a graph of.
        by: who wants it.
        zone: the time zone `cron` speaks of; empty: the owner's.
        product: whose work it is and who pays; None: the factory.

    Raises:
        ScheduleRefused: cron or zone mean nothing.
        GraphRefused, CycleDetected: no graph can be made of the tasks.
    """
    zone = zone or Installation.objects.values_list("time_zone", flat=True).first() or "UTC"
    next_at = rules.slot_after(cron, zone=zone, moment=business_now())
    checked_agents(tasks)
    told = {"cron": cron, "zone": zone, "product": product, "template": rules.template_of(tasks)}
    fresh = {**told, "next_at": next_at, "note": ""}
    schedule, _ = Schedule.objects.update_or_create(
        name=name, defaults=fresh, create_defaults={**fresh, "created_by": by[:80]}
    )
    audit(actor=by, verb="work.set_schedule", subject=name, cron=cron, zone=zone)
    return schedule


@transaction.atomic
def pause_schedule(schedule_id: UUID, *, by: str) -> None:
    """Let nothing begin by this schedule from now on; a run that is under way goes on. Safe to run twice."""
    schedule = _known(schedule_id)
    if Schedule.objects.filter(pk=schedule_id, is_paused=False).update(is_paused=True):
        audit(actor=by, verb="work.pause_schedule", subject=schedule.name)


@transaction.atomic
def resume_schedule(schedule_id: UUID, *, by: str) -> None:
    """Let it begin again, at the next time it is due: a pause is not made up for. Safe to run twice."""
    schedule = _known(schedule_id)
    next_at = rules.slot_after(schedule.cron, zone=schedule.zone, moment=business_now())
    if Schedule.objects.filter(pk=schedule_id, is_paused=True).update(is_paused=False, next_at=next_at):
        audit(actor=by, verb="work.resume_schedule", subject=schedule.name)


@transaction.atomic
def remove_schedule(schedule_id: UUID, *, by: str) -> None:
    """Forget a schedule; what it began stays."""
    schedule = _known(schedule_id)
    schedule.delete()
    audit(actor=by, verb="work.remove_schedule", subject=schedule.name)


def _known(schedule_id: UUID) -> Schedule:
    schedule = Schedule.objects.filter(pk=schedule_id).first()
    if schedule is None:
        raise NotFound(schedule=schedule_id)
    return schedule


def start_due_schedules() -> int:
    """Begin what is due, each once, also what was missed while nothing ran; return how many. Safe to run twice.

    Nothing begins in a drain, in maintenance or while everything is stopped: it stays due. Source: R-04.21.
    """
    now = business_now()
    return sum(_try(schedule, now=now) for schedule in Schedule.objects.due(now)) if may_begin() else 0


def _try(schedule: Schedule, *, now: datetime) -> bool:
    """A run that cannot be made is noted and left out; one for which there is no room stays due."""
    try:
        return _start(schedule, now=now)
    except QueueFull as full:
        Schedule.objects.filter(pk=schedule.pk).update(note=full.sentence[:500])
    except FactoryError as fault:
        logger.warning("work.schedule_failed", exc_info=fault, extra={"schedule": schedule.name})
        _advance(schedule, now=now, note=fault.sentence[:500])
    return False


@transaction.atomic
def _start(schedule: Schedule, *, now: datetime) -> bool:
    if not _advance(schedule, now=now, note="", last_at=schedule.next_at):
        return False
    dag = create_graph(
        product=schedule.product,
        title=schedule.name,
        tasks=rules.specs_of(schedule.template),
        scope=schedule.product.scope if schedule.product else factory_scope(),
        correlation_id=schedule.product.correlation_id if schedule.product else new_id(),
        key=f"schedule:{schedule.pk}:{schedule.next_at.isoformat()}",
        origin=Origin(source=Task.Source.SCHEDULE, by=f"schedule:{schedule.name}"[:80]),
    )
    Schedule.objects.filter(pk=schedule.pk).update(last_dag=dag)
    return True


def _advance(schedule: Schedule, *, now: datetime, **columns: object) -> int:
    """Move a schedule on as it was read, over everything that was missed; 0: somebody else was first."""
    next_at = rules.slot_after(schedule.cron, zone=schedule.zone, moment=max(now, schedule.next_at))
    as_read = Schedule.objects.filter(pk=schedule.pk, next_at=schedule.next_at, is_paused=False)
    return as_read.update(next_at=next_at, **columns)
