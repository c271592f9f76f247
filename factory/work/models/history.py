"""What happened to tasks: every change, and what was given up."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from core.ids import new_id
from factory.work.models.graphs import Task


class TaskEvent(models.Model):
    """One change of a task's state; never changed, never deleted."""

    sequence = models.BigAutoField(primary_key=True)
    task = models.ForeignKey(Task, on_delete=models.PROTECT, related_name="events")
    old = models.CharField(max_length=12, choices=Task.State)
    new = models.CharField(max_length=12, choices=Task.State)
    actor = models.CharField(max_length=160)
    reason = models.CharField(max_length=500, blank=True)
    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.old} > {self.new}"


class DeadLetter(models.Model):
    """A task the factory gave up; it waits for the owner and never expires. Source: R-04.18."""

    class Resolution(models.TextChoices):
        """What the owner chose."""

        RETRIED = "retried"
        CHANGED = "changed", "changed and retried"
        CANCELLED = "cancelled"
        LEFT_OUT = "left_out", "went on without it"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    task = models.ForeignKey(Task, on_delete=models.PROTECT, related_name="dead_letters")
    error_class = models.CharField(max_length=20)
    error = models.TextField(help_text="What the last attempt died of.")
    is_poison = models.BooleanField(default=False, help_text="Only a changed task may be tried again.")
    created_at = models.DateTimeField(default=timezone.now)
    resolution = models.CharField(max_length=10, choices=Resolution, blank=True)
    resolved_by = models.CharField(max_length=80, blank=True)
    resolved_at = models.DateTimeField(null=True)
    note = models.TextField(blank=True)

    class Meta:
        """One open letter per task."""

        constraints = [
            models.UniqueConstraint(name="one_open_letter", fields=["task"], condition=Q(resolution=""))
        ]

    def __str__(self) -> str:
        return f"given up: {self.task_id}"
