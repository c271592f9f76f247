"""Services that do not answer: what needs them waits, loses no attempt, and one task finds out when they are back."""

from datetime import timedelta
from typing import Final

from django.db import transaction
from django.utils import timezone

from core.services import publish
from factory.work.models import Outage

FIRST_S: Final = 5
LONGEST_S: Final = 60
QUIET_S: Final = 120
"""An outage nobody noticed again for so long is over."""


@transaction.atomic
def note_outage(service: str, *, kind: str, words: str) -> None:
    """Keep tasks of this kind out of the line for a while, since they need a service that does not answer.

    Each try that fails doubles the while, up to a minute.
    """
    now = timezone.now()
    first = {"kinds": [kind], "words": words[:500], "since": now, "until": now + timedelta(seconds=FIRST_S)}
    Outage.objects.get_or_create(service=service, defaults=first)
    outage = Outage.objects.select_for_update().get(service=service)
    kinds = sorted({*outage.kinds, kind})
    if outage.since == now:
        publish("work.service_missed", service=service, words=words[:500])
    if outage.until > now and kinds == outage.kinds:
        return
    tries = outage.tries + (outage.until <= now)
    wait_s = min(FIRST_S * 2 ** (tries - 1), LONGEST_S)
    Outage.objects.filter(service=service).update(
        kinds=kinds, words=words[:500], tries=tries, until=now + timedelta(seconds=wait_s)
    )


def shut_kinds() -> frozenset[str]:
    """Return the kinds of tasks that wait for a service now."""
    shut = Outage.objects.shut(timezone.now()).values_list("kinds", flat=True)
    return frozenset(kind for kinds in shut for kind in kinds)


def clear_outages() -> int:
    """Forget the outages that are over; return how many. Safe to run twice."""
    quiet = timezone.now() - timedelta(seconds=QUIET_S)
    over = Outage.objects.filter(until__lt=quiet).values_list("service", flat=True)
    return sum(_clear(service, quiet=quiet) for service in list(over))


@transaction.atomic
def _clear(service: str, *, quiet: object) -> bool:
    if not Outage.objects.filter(service=service, until__lt=quiet).delete()[0]:
        return False
    publish("work.service_returned", service=service)
    return True
