"""Which parts of the factory run: each says so itself, every few seconds."""

from collections.abc import Collection
from datetime import timedelta

from django.utils import timezone

from core.models import Process

FORGOTTEN_AFTER = timedelta(days=1)


def mark_seen(name: str, *, kind: str, queues: Collection[str] = ()) -> None:
    """Say that this process lives; call it at least every 30 seconds. Safe to run twice."""
    now = timezone.now()
    said = {"kind": kind, "queues": sorted(queues), "seen_at": now}
    _, is_new = Process.objects.update_or_create(name=name, defaults=said)
    if is_new:
        Process.objects.filter(seen_at__lt=now - FORGOTTEN_AFTER).delete()


def mark_gone(name: str) -> None:
    """Say that this process ends in order. Safe to run twice."""
    Process.objects.filter(name=name).delete()
