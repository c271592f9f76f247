"""Facts on their way up, and what was done by whom."""

from datetime import timedelta
from typing import Final

from django.db import models
from django.utils import timezone

from core.ids import new_id

LONGEST_PAUSE_S: Final = 300


class EventQuerySet(models.QuerySet["Event"]):
    """Questions about the outbox."""

    def waiting(self) -> "EventQuerySet":
        """Return the events not delivered yet and not given up, oldest first."""
        return self.filter(delivered_at=None, parked_at=None).order_by("sequence")

    def due(self) -> "EventQuerySet":
        """Return the waiting events whose next try has come, whatever a clock that was ahead wrote.

        What was never tried is due at once; a pause longer than any was written before somebody turned the clock back.
        """
        now = timezone.now()
        is_wrong = models.Q(next_try_at__gt=now + timedelta(seconds=LONGEST_PAUSE_S))
        return self.waiting().filter(models.Q(tries=0) | models.Q(next_try_at__lte=now) | is_wrong)


class Event(models.Model):
    """One fact, written in the transaction that made it true."""

    sequence = models.BigAutoField(primary_key=True)
    id = models.UUIDField(default=new_id, unique=True, editable=False)
    kind = models.CharField(max_length=80, db_index=True)
    facts = models.JSONField(default=dict)
    correlation_id = models.UUIDField(null=True, db_index=True)
    created_at = models.DateTimeField(default=timezone.now, help_text="Machine time.")
    delivered_at = models.DateTimeField(null=True)
    next_try_at = models.DateTimeField(default=timezone.now)
    tries = models.PositiveSmallIntegerField(default=0)
    parked_at = models.DateTimeField(null=True, help_text="Given up after the last try; shown by doctor.")
    error = models.TextField(blank=True)

    objects = EventQuerySet.as_manager()

    class Meta:
        """The relay asks only for what waits."""

        indexes = [
            models.Index(
                name="event_waiting",
                fields=["next_try_at"],
                condition=models.Q(delivered_at__isnull=True, parked_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return self.kind


class AuditRow(models.Model):
    """Who did what to what, and how it ended; never changed, never deleted."""

    class Outcome(models.TextChoices):
        """How it ended."""

        DONE = "done"
        DENIED = "denied"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    at = models.DateTimeField(default=timezone.now, db_index=True, help_text="Machine time.")
    actor = models.CharField(max_length=80, help_text="`owner:ada`, `agent:Rex`, `system`.")
    verb = models.CharField(max_length=80, db_index=True)
    subject = models.CharField(max_length=160)
    outcome = models.CharField(max_length=10, choices=Outcome)
    facts = models.JSONField(default=dict)
    correlation_id = models.UUIDField(null=True, db_index=True)

    def __str__(self) -> str:
        return f"{self.actor} {self.verb} {self.subject}: {self.outcome}"
