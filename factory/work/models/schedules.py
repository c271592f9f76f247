"""Work that begins by the clock."""

from datetime import datetime

from django.db import models
from django.db.models import Q
from django.utils import timezone

from core.ids import new_id
from factory.work.models.graphs import Dag
from portfolio.models import Product


class ScheduleQuerySet(models.QuerySet["Schedule"]):
    """Questions about schedules."""

    def due(self, now: datetime) -> "ScheduleQuerySet":
        """Return what should have begun by business time `now` and does not run yet, the longest due first."""
        waiting = self.filter(is_paused=False, next_at__lte=now)
        return waiting.filter(Q(last_dag=None) | Q(last_dag__closed_at__isnull=False)).order_by(
            "next_at", "id"
        )


class Schedule(models.Model):
    """A template of tasks and when a graph is made of it; runs of one schedule never overlap."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=80, unique=True)
    cron = models.CharField(max_length=100, help_text="Minute, hour, day, month, weekday.")
    zone = models.CharField(max_length=60, help_text="The time zone that `cron` speaks of.")
    product = models.ForeignKey(
        Product, on_delete=models.PROTECT, null=True, blank=True, related_name="schedules"
    )
    template = models.JSONField(help_text="The tasks of each run.")
    is_paused = models.BooleanField(default=False)
    next_at = models.DateTimeField(help_text="Business time of the next run, also of one that was missed.")
    last_at = models.DateTimeField(null=True, help_text="Business time the last run was due.")
    last_dag = models.ForeignKey(Dag, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    note = models.CharField(max_length=500, blank=True, help_text="Why the last run could not begin.")
    created_by = models.CharField(max_length=80)
    created_at = models.DateTimeField(default=timezone.now)

    objects = ScheduleQuerySet.as_manager()

    class Meta:
        """The chore asks for the next ones alone."""

        indexes = [models.Index(name="schedule_due", fields=["next_at"], condition=Q(is_paused=False))]

    def __str__(self) -> str:
        return self.name
