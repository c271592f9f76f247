"""What waits to be told to a trace store, and how telling went."""

from django.db import models
from django.utils import timezone


class ExportItem(models.Model):
    """One thing that is over and waits to be told; at most 10,000 wait. Source: R-08.10.

    Rows and not memory: any process may tell what another did, and a restart forgets nothing.
    """

    class Kind(models.TextChoices):
        """What it is."""

        ATTEMPT = "attempt"
        CALL = "call", "call of no attempt"
        GRAPH = "graph"
        SCORE = "score", "verdict"

    kind = models.CharField(max_length=10, choices=Kind)
    ref = models.UUIDField(help_text="Its id.")
    at = models.DateTimeField(default=timezone.now, help_text="Machine time.")

    def __str__(self) -> str:
        return f"{self.kind} {self.ref}"


class Export(models.Model):
    """How telling went so far; one row."""

    sent = models.PositiveBigIntegerField(default=0)
    dropped = models.PositiveBigIntegerField(default=0, help_text="Too many waited, or it was refused.")
    failures = models.PositiveIntegerField(default=0, help_text="In a row.")
    words = models.CharField(max_length=200, blank=True, help_text="Of the last failure.")
    next_try_at = models.DateTimeField(
        default=timezone.now, help_text="Machine time; moved on first by who tells."
    )
    sent_at = models.DateTimeField(null=True, help_text="Machine time.")

    class Meta:
        """There is one."""

        constraints = [models.CheckConstraint(name="one_export", condition=models.Q(id=1))]

    def __str__(self) -> str:
        return f"{self.sent} told, {self.dropped} dropped"
