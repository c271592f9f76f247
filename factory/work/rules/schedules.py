"""When a schedule is due, and what it starts: a template that is kept as JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from core.registry import TaskSpec, Workspace
from factory.work.errors import ScheduleRefused


def slot_after(cron: str, *, zone: str, moment: datetime) -> datetime:
    """Return the first moment after `moment` at which `cron` is due in the time zone `zone`, in UTC.

    A time that the clocks leave out in spring is due when they have moved on; one that they show twice in autumn is due
    once, unless every hour is meant. Source: R-04.21, R-01.33.

    Raises:
        ScheduleRefused: no such time zone, or five fields of cron that mean nothing or nothing that ever comes.
    """
    try:
        here = ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise ScheduleRefused(zone=zone, expected="a time zone like Europe/Berlin") from None
    try:
        return next(CronSim(cron, moment.astimezone(here))).astimezone(UTC)
    except (CronSimError, StopIteration) as fault:
        raise ScheduleRefused(cron=cron, why=str(fault) or "it never comes") from None


def template_of(tasks: Sequence[TaskSpec]) -> list[dict[str, Any]]:
    """Return `tasks` as JSON.

    Raises:
        ScheduleRefused: one is due at a fixed time, which comes once.
    """
    if late := [task.key for task in tasks if task.due_at is not None]:
        raise ScheduleRefused(tasks=", ".join(late), why="a template names no due time")
    return [asdict(task) for task in tasks]


def specs_of(template: Sequence[Mapping[str, Any]]) -> list[TaskSpec]:
    """Return the tasks that a template describes."""
    return [_task(one) for one in template]


def _task(one: Mapping[str, Any]) -> TaskSpec:
    lists = {name: tuple(one[name]) for name in ("after", "may_write")}
    place = one["workspace"]
    return TaskSpec(**{**one, **lists, "workspace": Workspace(**place) if place else None})
