"""Health of the queue."""

from datetime import timedelta

from django.utils import timezone

from core.registry import Finding, register_check
from core.services import machine_now, number_setting
from factory.work import rules
from factory.work.models import DeadLetter, Node, Task

SOON = timedelta(days=10)


@register_check("work.queue")
def check_queue() -> Finding:
    """Say whether ready tasks find a worker in time. Source: R-04.13."""
    patience_min = number_setting("work.alert_ready_min")
    long_ago = timezone.now() - timedelta(minutes=patience_min)
    late = Task.objects.claimable().filter(ready_at__lt=long_ago).count()
    if late:
        return Finding(
            "warn",
            f"{late} tasks wait for a worker for more than {patience_min} minutes",
            "see why on the board",
        )
    return Finding("fine", f"{Task.objects.claimable().count()} tasks ready")


@register_check("work.dead_letters")
def check_dead_letters() -> Finding:
    """Say whether tasks wait that the factory gave up."""
    count = DeadLetter.objects.filter(resolution="").count()
    if count:
        return Finding(
            "warn",
            "1 step gave up" if count == 1 else f"{count} steps gave up",
            "retry, change or drop them under Work.",
        )
    return Finding("fine", "nothing was given up")


@register_check("work.nodes")
def check_nodes() -> Finding:
    """Say whether a host is there for the gpu jobs that wait, and whose key ends soon. Source: R-13.2, R-13.32."""
    now = machine_now()
    waiting = Task.objects.filter(state=Task.State.READY, queue__in=rules.NODE_QUEUES).count()
    if waiting and not Node.objects.there(now).exists():
        return Finding("warn", f"{waiting} gpu jobs wait and no GPU host is there", "factory node admit NAME")
    ending = Node.objects.admitted(now).filter(expires_at__lt=now + SOON).order_by("expires_at").first()
    if ending is not None:
        return Finding("warn", f"the key of {ending} ends soon", f"factory node rotate {ending}")
    return Finding("fine", f"{Node.objects.there(now).count()} GPU hosts are there")
