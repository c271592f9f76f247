"""Chores: what is due is done by one process, whichever looks first."""

import logging
from datetime import datetime, timedelta

from django.utils import timezone

from core.models import DueChore
from core.registry import Chore, chores

logger = logging.getLogger(__name__)


_put_off: set[str] = set()
"""Chores that waited the last time they were due: nothing waits twice in a row."""


def do_due_chores() -> int:
    """Do every chore that is due and that no other process took first; return how many those were."""
    rows = dict(DueChore.objects.values_list("name", "due_at"))
    done = 0
    for chore in chores():
        due_at = rows.get(chore.name)
        if not _is_due(chore, due_at):
            continue
        waits = _waits(chore, due_at)
        if _take(chore, due_at, again_s=chore.patience_s if waits else chore.every_s) and not waits:
            _do(chore)
            done += 1
    return done


def _is_due(chore: Chore, due_at: datetime | None) -> bool:
    """A time further ahead than one round was written before somebody turned the clock back."""
    now, round_s = timezone.now(), max(chore.every_s, chore.patience_s)
    return due_at is None or not now < due_at <= now + timedelta(seconds=round_s)


def _waits(chore: Chore, due_at: datetime | None) -> bool:
    """Say whether it comes after a standstill and has not waited yet."""
    if not chore.patience_s or due_at is None or chore.name in _put_off:
        _put_off.discard(chore.name)
        return False
    has_stood_still = timezone.now() - due_at > timedelta(seconds=chore.patience_s)
    if has_stood_still:
        _put_off.add(chore.name)
    return has_stood_still


def _take(chore: Chore, due_at: datetime | None, *, again_s: float) -> bool:
    """Move the time on, if nobody did so since we looked."""
    again_at = timezone.now() + timedelta(seconds=again_s)
    if due_at is None:
        return DueChore.objects.get_or_create(name=chore.name, defaults={"due_at": again_at})[1]
    return bool(DueChore.objects.filter(name=chore.name, due_at=due_at).update(due_at=again_at))


def _do(chore: Chore) -> None:
    try:
        chore.run()
    except Exception:
        logger.exception("core.chore_failed", extra={"chore": chore.name})
