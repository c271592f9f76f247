"""Health of the queue."""

from datetime import timedelta

from django.utils import timezone

from core.registry import Finding, register_check
from factory.work.models import DeadLetter, Task

LONG = timedelta(minutes=30)


@register_check("work.queue")
def check_queue() -> Finding:
    """Say whether ready tasks find a worker in time. Source: R-04.13."""
    late = Task.objects.claimable().filter(ready_at__lt=timezone.now() - LONG).count()
    if late:
        return Finding(
            "warn", f"{late} tasks wait for a worker for more than 30 minutes", "see why on the board"
        )
    return Finding("fine", f"{Task.objects.claimable().count()} tasks ready")


@register_check("work.dead_letters")
def check_dead_letters() -> Finding:
    """Say whether tasks wait that the factory gave up."""
    count = DeadLetter.objects.filter(resolution="").count()
    if count:
        return Finding("warn", f"{count} tasks were given up", "retry, change or cancel them")
    return Finding("fine", "nothing was given up")
