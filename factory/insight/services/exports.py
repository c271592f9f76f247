"""Telling a trace store what is over: queued in rows, told in the background, never waited for. Source: R-08.10."""

import logging
import threading
from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

from django.conf import settings
from django.db import connections, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from factory.insight.errors import NotAtOnce, StoreRefused, StoreSilent
from factory.insight.models import Export, ExportItem
from factory.insight.ports import Store
from factory.insight.rules.observations import Observation, Score
from factory.insight.services.observations import Told, told_of

logger = logging.getLogger(__name__)
MOST_WAITING: Final = 10_000
AT_ONCE: Final = 100
LONGEST_PAUSE_S: Final = 300
TELLS_FOR: Final = timedelta(seconds=60)
"""So long nobody else tells; longer than two requests may take."""
_busy = threading.Lock()


def target() -> Store | None:
    """Return where to tell; None: nowhere."""
    if not settings.LANGFUSE_URL:
        return None
    from factory.insight.adapters.langfuse import Target  # noqa: PLC0415 (protobuf is loaded where there is a Langfuse)

    return Target(settings.LANGFUSE_URL, settings.LANGFUSE_PUBLIC_KEY, settings.LANGFUSE_SECRET_KEY)


@transaction.atomic
def queue_export(kind: str, ref: UUID) -> None:
    """Let one thing wait to be told; of more than 10,000 the oldest is dropped and counted."""
    item = ExportItem.objects.create(kind=kind, ref=ref)
    dropped, _ = ExportItem.objects.filter(pk__lte=item.pk - MOST_WAITING).delete()
    if dropped:
        _export().update(dropped=F("dropped") + dropped)


def start_export() -> None:
    """Tell what waits on a thread of its own, unless one of this process is at it: a target that hangs holds up nobody."""
    if _busy.acquire(blocking=False):
        threading.Thread(target=_tell_all, name="insight-export", daemon=True).start()


def _tell_all() -> None:
    try:
        while (where := target()) and tell_some(where):
            pass
    finally:
        connections.close_all()
        _busy.release()


def tell_some(where: Store) -> int:
    """Tell the oldest that wait; return how many are off the list. One process at a time, and not before the next try is due."""
    if not _take_turn():
        return 0
    items = list(ExportItem.objects.order_by("pk")[:AT_ONCE])
    try:
        if items:
            _tell(where, items)
    except StoreSilent as silence:
        _put_off(silence)
        return 0
    _export().update(next_try_at=timezone.now())
    return len(items)


def _tell(where: Store, items: Sequence[ExportItem]) -> None:
    """Tell these, in halves where they cannot be told at once; each part is off the list when it is told.

    One that cannot be read, encoded or taken must not keep the others back: it is looked at alone, dropped and counted.
    """
    try:
        lost, words = _send_one(where, items[0]) if len(items) == 1 else (_send(where, _read(items)), "")
    except StoreRefused as refusal:
        logger.warning("insight.export_refused", extra={"dropped": len(items), "error": str(refusal)})
        lost, words = len(items), str(refusal)
    except NotAtOnce:
        half = len(items) // 2
        _tell(where, items[:half])
        _tell(where, items[half:])
        return
    lost = min(len(items), lost)
    _done(items, sent=len(items) - lost, dropped=lost, words=words[:200])


def _read(items: Sequence[ExportItem]) -> Told:
    try:
        return told_of(items)
    except Exception as error:  # whatever its rows hold
        raise NotAtOnce(because=type(error).__name__) from error


def _send(where: Store, told: Told) -> int:
    """Send this, and return how many were refused; meanwhile nobody else tells."""
    _export().update(next_try_at=timezone.now() + TELLS_FOR)
    return where.send(*told)


def _send_one(where: Store, item: ExportItem) -> tuple[int, str]:
    """Send what is told of one thing; return how many of its parts were not taken, and why."""
    try:
        observations, scores = _read([item])
    except NotAtOnce as reason:
        logger.exception("insight.export_unreadable", extra={"kind": item.kind, "ref": str(item.ref)})
        return 1, str(reason)
    return _send_parts(where, observations, scores)


def _send_parts(where: Store, observations: list[Observation], scores: list[Score]) -> tuple[int, str]:
    """Send these, in halves where they cannot be sent at once; return how many were not taken, and why."""
    try:
        return _send(where, (observations, scores)), ""
    except NotAtOnce as reason:
        half = len(observations) // 2
        if not half:
            logger.warning("insight.export_not_taken", extra={"error": str(reason)})
            return 1, str(reason)
    lost, why = _send_parts(where, observations[:half], scores)
    also_lost, also = _send_parts(where, observations[half:], [])
    return lost + also_lost, why or also


def _take_turn() -> bool:
    rows, now = _export(), timezone.now()
    return bool(rows.filter(next_try_at__lte=now).update(next_try_at=now + TELLS_FOR))


def _put_off(silence: StoreSilent) -> None:
    """Wait twice as long after each failure."""
    logger.warning("insight.export_failed", extra={"error": str(silence)})
    failures = Export.objects.get(pk=1).failures + 1
    pause = timedelta(seconds=min(2 ** min(failures, 16), LONGEST_PAUSE_S))
    _export().update(failures=failures, words=str(silence)[:200], next_try_at=timezone.now() + pause)


@transaction.atomic
def _done(items: Sequence[ExportItem], *, sent: int = 0, dropped: int = 0, words: str = "") -> None:
    now = timezone.now()
    ExportItem.objects.filter(pk__in=[item.pk for item in items]).delete()
    said = {"sent_at": now, "failures": 0} if sent else {}
    _export().update(sent=F("sent") + sent, dropped=F("dropped") + dropped, words=words, **said)


def _export() -> QuerySet[Export]:
    Export.objects.get_or_create(pk=1)
    return Export.objects.filter(pk=1)
