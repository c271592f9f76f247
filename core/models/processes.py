"""Processes of the factory, and when each was last seen."""

from datetime import datetime, timedelta

from django.db import models
from django.utils import timezone

SILENT_AFTER = timedelta(seconds=90)


class ProcessQuerySet(models.QuerySet["Process"]):
    """Questions about processes."""

    def alive(self, now: datetime) -> "ProcessQuerySet":
        """Return those seen within 90 seconds before machine time `now`. Source: R-03.16."""
        return self.filter(seen_at__gt=now - SILENT_AFTER).order_by("kind", "name")

    def silent(self, now: datetime) -> "ProcessQuerySet":
        """Return those that were there and are not seen any more."""
        return self.filter(seen_at__lte=now - SILENT_AFTER).order_by("kind", "name")


class Process(models.Model):
    """One running part of the factory; the row is renewed by the process itself."""

    class Kind(models.TextChoices):
        """What it is."""

        FACTORYD = "factoryd", "all in one"
        WEB = "web", "pages"
        WORKER = "worker"
        BEAT = "beat", "clock"
        NODE = "node", "GPU host"

    name = models.CharField(
        primary_key=True, max_length=160, help_text="host:pid:nonce, never twice the same."
    )
    kind = models.CharField(max_length=10, choices=Kind)
    queues = models.JSONField(default=list, help_text="What it takes work from.")
    started_at = models.DateTimeField(default=timezone.now, help_text="Machine time.")
    seen_at = models.DateTimeField(default=timezone.now, db_index=True, help_text="Machine time.")

    objects = ProcessQuerySet.as_manager()

    class Meta:
        """In plain words."""

        verbose_name_plural = "processes"

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"
