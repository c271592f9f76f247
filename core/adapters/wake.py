"""The bell: wakes whoever waits for rows. A lost or doubled ring costs the time until the next look, nothing else."""

import threading

from django.conf import settings

_bell = threading.Condition()
_rings = 0


def ring(*names: str) -> None:
    """Wake every waiting thread of this process, and in the full profile who serves the queues of these names elsewhere. Source: R-04.14.

    `relay` calls those who deliver facts. Call it when the rows are committed; it never waits and never fails.
    """
    global _rings
    with _bell:
        _rings += 1
        _bell.notify_all()
    if names and settings.IS_FULL:
        from core.adapters import messages  # noqa: PLC0415 (Celery is loaded where there is a broker, nowhere else)

        messages.messenger.carry(names)


def rings() -> int:
    """Return how often the bell rang so far; pass it to `wait` to miss no ring in between."""
    return _rings


def wait(*, since: int, at_most_s: float) -> int:
    """Wait until the bell has rung more than `since` times or the time is over; return the count."""
    with _bell:
        _bell.wait_for(lambda: _rings > since, timeout=at_most_s)
        return _rings
