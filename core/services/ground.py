"""The installation: made once, stopped and started by people."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from core.errors import AnotherFactory
from core.ids import digest_of
from core.models import Installation, Mode
from core.services.audit import audit
from core.services.outbox import publish
from core.services.settings import number_setting

_QUIET = Q(draining_at__isnull=False) | Q(maintenance_at__isnull=False)


def found_installation(mode: str) -> Installation:
    """Make this database a rehearsal or a real factory, once; a later call changes nothing."""
    return Installation.objects.get_or_create(id=1, defaults={"mode": mode})[0]


def claim_database() -> None:
    """Make sure that this database is ours: the first factory that starts on it keeps it. Safe to run twice, also at once.

    Raises:
        AnotherFactory: it belongs to a factory with another secret.
    """
    mark = _mark()
    if (
        not Installation.objects.filter(Q(mark="") | Q(mark=mark)).update(mark=mark)
        and Installation.objects.exists()
    ):
        raise AnotherFactory


@transaction.atomic
def adopt_database(*, by: str) -> None:
    """Make this database ours, whoever had it: after the secret key was replaced. Safe to run twice."""
    Installation.objects.update(mark=_mark())
    audit(actor=by, verb="core.adopt_database", subject="factory")


def _mark() -> str:
    return digest_of(["whose database", settings.SECRET_KEY])


def current_mode() -> str:
    """Return whether results here are real; before the installation is founded: rehearsal."""
    return str(_ground("mode") or Mode.REHEARSAL)


def is_stopped() -> bool:
    """Say whether everything is stopped; an unreadable answer raises, so that callers refuse."""
    return _ground("stopped_at") is not None


def _ground(column: str) -> Any:
    """Return one value of the installation; every model call asks, so the statement is written out."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM core_installation WHERE id = 1")  # noqa: S608 (names of our own)
        row = cursor.fetchone()
    return row[0] if row else None


def may_begin() -> bool:
    """Say whether new work may begin: nothing is stopped, draining or in maintenance."""
    return not Installation.objects.filter(Q(stopped_at__isnull=False) | _QUIET).exists()


def must_halt() -> bool:
    """Say whether work that runs must end now: everything is stopped, or a drain's time is over."""
    is_over = Q(drain_until__lte=timezone.now()) | Q(maintenance_at__isnull=False)
    return Installation.objects.filter(Q(stopped_at__isnull=False) | is_over).exists()


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


@transaction.atomic
def drain(*, by: str, within_s: float | None = None) -> None:
    """Begin nothing new; what runs may end within this time (None: as set), then it is asked to stop and costs no attempt. Source: R-01.26, R-20.24.

    Maintenance follows by itself once nothing runs. Approvals, schedules and payments are kept meanwhile. Safe to run
    twice: the first end counts.
    """
    now = timezone.now()
    within_s = number_setting("control.drain_min") * 60 if within_s is None else within_s
    fresh = {"draining_at": now, "drain_until": now + timedelta(seconds=within_s), "drained_by": by[:80]}
    if Installation.objects.exclude(_QUIET).update(**fresh):
        audit(actor=by, verb="core.drain", subject="factory", within_s=within_s)
        publish("core.factory_draining", by=by)


@transaction.atomic
def begin_maintenance() -> bool:
    """Note that a drain is over; call it when nothing runs any more. Say whether that was news."""
    quiet = {"draining_at": None, "drain_until": None, "maintenance_at": timezone.now()}
    if not Installation.objects.filter(draining_at__isnull=False).update(**quiet):
        return False
    audit(actor="system", verb="core.begin_maintenance", subject="factory")
    publish("core.maintenance_begun")
    return True


@transaction.atomic
def end_maintenance(*, by: str) -> None:
    """Let work begin again after a drain or maintenance; a stop stays. Safe to run twice."""
    running = {"draining_at": None, "drain_until": None, "maintenance_at": None, "drained_by": ""}
    if Installation.objects.filter(_QUIET).update(**running):
        audit(actor=by, verb="core.end_maintenance", subject="factory")
        publish("core.factory_started", by=by)
