"""The bell: wakes whoever waits for rows. A lost or doubled ring costs a poll, nothing else."""

import threading

_bell = threading.Condition()
_rings = 0


def ring() -> None:
    """Wake every waiting thread of this process."""
    global _rings
    with _bell:
        _rings += 1
        _bell.notify_all()


def rings() -> int:
    """Return how often the bell rang so far; pass it to `wait` to miss no ring in between."""
    return _rings


def wait(*, since: int, at_most_s: float) -> int:
    """Wait until the bell has rung more than `since` times or the time is over; return the count."""
    with _bell:
        _bell.wait_for(lambda: _rings > since, timeout=at_most_s)
        return _rings
