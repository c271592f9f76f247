"""Chores: what is due is done by one process, whichever looks first."""

import logging
from datetime import datetime, timedelta

from django.utils import timezone

from core.models import DueChore
from core.registry import Chore, chores

logger = logging.getLogger(__name__)


def do_due_chores() -> int:
    """Do every chore that is due and that no other process took first; return how many those were."""
    rows = dict(DueChore.objects.values_list("name", "due_at"))
    done = 0
    for chore in chores():
        if _is_due(chore, rows.get(chore.name)) and _take(chore, rows.get(chore.name)):
            _do(chore)
            done += 1
    return done


def _is_due(chore: Chore, due_at: datetime | None) -> bool:
    """A time further ahead than one round was written before somebody turned the clock back."""
    now = timezone.now()
    return due_at is None or not now < due_at <= now + timedelta(seconds=chore.every_s)


def _take(chore: Chore, due_at: datetime | None) -> bool:
    """Move the time on, if nobody did so since we looked."""
    again_at = timezone.now() + timedelta(seconds=chore.every_s)
    if due_at is None:
        return DueChore.objects.get_or_create(name=chore.name, defaults={"due_at": again_at})[1]
    return bool(DueChore.objects.filter(name=chore.name, due_at=due_at).update(due_at=again_at))


def _do(chore: Chore) -> None:
    try:
        chore.run()
    except Exception:
        logger.exception("core.chore_failed", extra={"chore": chore.name})
