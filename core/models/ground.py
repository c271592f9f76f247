"""The installation itself: its mode, its business clock, its stored files."""

from django.db import models
from django.db.models import Q
from django.utils import timezone


class Mode(models.TextChoices):
    """Whether results are real; fixed when the database is made."""

    REHEARSAL = "rehearsal"
    REAL = "real"


class Installation(models.Model):
    """The one row that says what this database is for, and how far business time runs ahead."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    mode = models.CharField(max_length=10, choices=Mode)
    clock_offset_ms = models.BigIntegerField(default=0, help_text="Business time minus machine time.")
    time_zone = models.CharField(max_length=60, default="UTC", help_text="The owner's time zone.")
    stopped_at = models.DateTimeField(null=True, help_text="Since when everything is stopped; None: it runs.")
    stopped_by = models.CharField(max_length=80, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        """One row, and a real factory runs on real time."""

        constraints = [
            models.CheckConstraint(name="one_installation", condition=Q(id=1)),
            models.CheckConstraint(
                name="real_time_is_real", condition=~Q(mode="real") | Q(clock_offset_ms=0)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.mode} factory"


class Blob(models.Model):
    """A stored file, named by what it holds."""

    sha256 = models.CharField(primary_key=True, max_length=64)
    size_bytes = models.PositiveBigIntegerField()
    media_type = models.CharField(max_length=80, default="application/octet-stream")
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.sha256[:12]
