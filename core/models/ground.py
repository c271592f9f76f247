"""The installation itself: its mode, its business clock, its stored files."""

from datetime import datetime

from django.db import models
from django.db.models import Q
from django.utils import timezone


class Mode(models.TextChoices):
    """Whether results are real; fixed when the database is made."""

    REHEARSAL = "rehearsal"
    REAL = "real"


class Installation(models.Model):
    """The one row that says what this database is for, whether work begins, and how far business time runs ahead."""

    class State(models.TextChoices):
        """How the factory stands. Source: R-20.22."""

        RUNNING = "running"
        DRAINING = "draining", "begins nothing new, what runs may end"
        MAINTENANCE = "maintenance", "nothing runs, on purpose"
        STOPPED = "stopped", "everything is stopped"

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    mode = models.CharField(max_length=10, choices=Mode)
    clock_offset_ms = models.BigIntegerField(default=0, help_text="Business time minus machine time.")
    time_zone = models.CharField(max_length=60, default="UTC", help_text="The owner's time zone.")
    stopped_at = models.DateTimeField(null=True, help_text="Since when everything is stopped; None: it runs.")
    stopped_by = models.CharField(max_length=80, blank=True)
    draining_at = models.DateTimeField(null=True, help_text="Since when nothing new begins.")
    drain_until = models.DateTimeField(null=True, help_text="Machine time: what runs then is asked to stop.")
    maintenance_at = models.DateTimeField(null=True, help_text="Since when nothing runs.")
    drained_by = models.CharField(max_length=80, blank=True)
    mark = models.CharField(
        max_length=64,
        blank=True,
        db_default="",
        help_text="Whose database this is: a digest of the factory's secret.",
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        """One row, and a real factory runs on real time."""

        constraints = [
            models.CheckConstraint(name="one_installation", condition=Q(id=1)),
            models.CheckConstraint(
                name="real_time_is_real", condition=~Q(mode="real") | Q(clock_offset_ms=0)
            ),
            models.CheckConstraint(
                name="a_drain_has_an_end",
                condition=Q(draining_at__isnull=True, drain_until__isnull=True)
                | Q(draining_at__isnull=False, drain_until__isnull=False, maintenance_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.mode} factory"

    @property
    def state(self) -> "Installation.State":
        """How the factory stands; a stop counts more than everything else."""
        if self.stopped_at:
            return self.State.STOPPED
        if self.maintenance_at:
            return self.State.MAINTENANCE
        return self.State.DRAINING if self.draining_at else self.State.RUNNING

    @property
    def since(self) -> datetime | None:
        """Since when it stands like this; None: it runs."""
        return self.stopped_at or self.maintenance_at or self.draining_at

    @property
    def by(self) -> str:
        """Who wanted it so; empty: it runs."""
        return self.stopped_by or self.drained_by


class Blob(models.Model):
    """A stored file, named by what it holds."""

    sha256 = models.CharField(primary_key=True, max_length=64)
    size_bytes = models.PositiveBigIntegerField()
    media_type = models.CharField(max_length=80, default="application/octet-stream")
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.sha256[:12]


class DueChore(models.Model):
    """When a chore is to be done next: whoever moves the time on does it."""

    name = models.CharField(primary_key=True, max_length=80)
    due_at = models.DateTimeField(help_text="Machine time.")

    def __str__(self) -> str:
        return self.name
