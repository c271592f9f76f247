"""Chores of the ground."""

from django.conf import settings

from core.adapters.processes import process_name
from core.models import Process
from core.registry import QUEUES, every
from core.services.processes import mark_seen
from core.services.replies import forget_replies


@every(3600, name="core.forget_replies")
def forget() -> int:
    """Forget what was kept for repeats of REST calls a day ago."""
    return forget_replies()


@every(20, name="core.say_alive")
def say_alive() -> None:
    """Say that this process lives where it is the whole factory; workers of their own say so themselves."""
    if not settings.IS_FULL:
        mark_seen(process_name(), kind=Process.Kind.FACTORYD, queues=QUEUES)
