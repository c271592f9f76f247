"""Business time: machine time plus one stored offset; a rehearsal may advance it, nothing may turn it back."""

import time
from datetime import datetime, timedelta
from math import ceil

from django.db import connection
from django.db.models import F
from django.utils import timezone

from core.errors import ClockFixed
from core.models import Installation, Mode

CHECK_S = 20.0
"""How long the distance between our clock and the database's is believed."""
SURE = timedelta(seconds=1)
"""An answer that took longer says little about the distance: it is asked for again at the next need."""
_distance: dict[str, tuple[float, timedelta]] = {}


def machine_now() -> datetime:
    """Return machine time by the clock of the database, so that workers whose own clocks differ agree on leases.

    SQLite has no clock of its own.
    """
    if connection.vendor != "postgresql":
        return timezone.now()
    checked, distance = _distance.get(connection.alias, (-CHECK_S, timedelta()))
    if time.monotonic() - checked >= CHECK_S:
        asked = timezone.now()
        with connection.cursor() as cursor:
            cursor.execute("select clock_timestamp()")
            moment = cursor.fetchone()[0]
        waited = timezone.now() - asked
        distance = moment - asked - waited / 2
        if waited < SURE:
            _distance[connection.alias] = (time.monotonic(), distance)
    return timezone.now() + distance


def business_now() -> datetime:
    """Return business time, aware, in UTC: for deadlines, soak, test windows, day 30/60/90, digests."""
    with connection.cursor() as cursor:  # asked for every model call: made by hand it costs a tenth
        cursor.execute("SELECT clock_offset_ms FROM core_installation WHERE id = 1")
        row = cursor.fetchone()
    return timezone.now() + timedelta(milliseconds=row[0] if row else 0)


def advance_to(moment: datetime) -> None:
    """Move business time forward to `moment`; a moment already past changes nothing.

    Raises:
        ClockFixed: the factory is real.
    """
    ahead_ms = ceil((moment - timezone.now()).total_seconds() * 1000)
    moved = Installation.objects.filter(mode=Mode.REHEARSAL, clock_offset_ms__lt=ahead_ms)
    if (
        not moved.update(clock_offset_ms=ahead_ms)
        and not Installation.objects.filter(mode=Mode.REHEARSAL).exists()
    ):
        raise ClockFixed(wanted=moment.isoformat())


def start_clock_at(moment: datetime) -> None:
    """Set a fresh rehearsal's business clock, also into the past; only before anything happened.

    Raises:
        ClockFixed: the factory is real, or its clock was already set.
    """
    ahead_ms = int((moment - timezone.now()).total_seconds() * 1000)
    fresh = Installation.objects.filter(mode=Mode.REHEARSAL, clock_offset_ms=0)
    if not fresh.update(clock_offset_ms=F("clock_offset_ms") + ahead_ms):
        raise ClockFixed(wanted=moment.isoformat())
