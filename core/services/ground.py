"""The installation: made once, stopped and started by people."""

from django.db import transaction
from django.utils import timezone

from core.models import Installation, Mode
from core.services.audit import audit
from core.services.outbox import publish


def found_installation(mode: str) -> Installation:
    """Make this database a rehearsal or a real factory, once; a later call changes nothing."""
    return Installation.objects.get_or_create(id=1, defaults={"mode": mode})[0]


def current_mode() -> str:
    """Return whether results here are real; before the installation is founded: rehearsal."""
    return Installation.objects.values_list("mode", flat=True).first() or Mode.REHEARSAL


def is_stopped() -> bool:
    """Say whether everything is stopped; an unreadable answer raises, so that callers refuse."""
    return Installation.objects.filter(stopped_at__isnull=False).exists()


@transaction.atomic
def stop_everything(*, by: str, reason: str = "") -> None:
    """Refuse new work and new model calls from now on; live products go on. Safe to run twice."""
    if Installation.objects.filter(stopped_at=None).update(stopped_at=timezone.now(), stopped_by=by[:80]):
        audit(actor=by, verb="core.stop_everything", subject="factory", reason=reason)
        publish("core.factory_stopped", by=by)


@transaction.atomic
def start_again(*, by: str) -> None:
    """Let work go on. Safe to run twice."""
    if Installation.objects.filter(stopped_at__isnull=False).update(stopped_at=None, stopped_by=""):
        audit(actor=by, verb="core.start_again", subject="factory")
        publish("core.factory_started", by=by)
