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

from factory.insight.errors import StoreRefused, StoreSilent
from factory.insight.models import Export, ExportItem
from factory.insight.ports import Store
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
    if not items:
        _export().update(next_try_at=timezone.now())
        return 0
    sound, told = _read(items)
    try:
        refused = where.send(*told)
    except StoreRefused as refusal:
        logger.warning("insight.export_refused", extra={"dropped": len(items), "error": str(refusal)})
        _done(items, dropped=len(items), words=str(refusal)[:200])
        return len(items)
    except StoreSilent as silence:
        _put_off(silence)
        return 0
    lost = min(len(items), len(items) - len(sound) + refused)
    _done(items, sent=len(items) - lost, dropped=lost)
    return len(items)


def _read(items: Sequence[ExportItem]) -> tuple[Sequence[ExportItem], Told]:
    """Return what is told of these, and of which: one that cannot be read must not keep the others back."""
    try:
        return items, told_of(items)
    except Exception:  # whatever its rows hold, it is looked at alone
        logger.exception("insight.export_unreadable", extra={"items": len(items)})
    sound = [item for item in items if _is_readable(item)]
    return sound, told_of(sound)


def _is_readable(item: ExportItem) -> bool:
    try:
        told_of([item])
    except Exception:  # noqa: BLE001 (it was told of above)
        return False
    return True


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
    _export().update(
        sent=F("sent") + sent, dropped=F("dropped") + dropped, words=words, next_try_at=now, **said
    )


def _export() -> QuerySet[Export]:
    Export.objects.get_or_create(pk=1)
    return Export.objects.filter(pk=1)
