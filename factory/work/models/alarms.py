"""What is wrong with the whole queue, told once each time."""

from datetime import datetime

from django.db import models
from django.utils import timezone


class Alarm(models.Model):
    """Something that should not last; the row goes when it is over."""

    name = models.CharField(primary_key=True, max_length=40, help_text="`depth` or `wait`.")
    since = models.DateTimeField(default=timezone.now)
    told_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.name} since {self.since:%H:%M}"


class OutageQuerySet(models.QuerySet["Outage"]):
    """Questions about outages."""

    def shut(self, now: datetime) -> "OutageQuerySet":
        """Return the outages for which work waits; once its time is over, one task finds out."""
        return self.filter(until__gt=now)


class Outage(models.Model):
    """A service that does not answer: the kinds of work that need it wait and lose no attempt. Source: R-01.28."""

    service = models.CharField(primary_key=True, max_length=40, help_text="`gateway`, `edge`.")
    kinds = models.JSONField(default=list, help_text="Kinds of tasks that found it missing.")
    words = models.CharField(max_length=500)
    since = models.DateTimeField(default=timezone.now)
    until = models.DateTimeField(help_text="Machine time of the next try.")
    tries = models.PositiveSmallIntegerField(default=1)

    objects = OutageQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.service} is out since {self.since:%H:%M}"
