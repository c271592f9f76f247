"""Attempts at tasks, and what they made."""

from django.db import models
from django.db.models import OuterRef, Q, Subquery, Sum, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from agents.gateway.models import Call
from agents.roster.models import Agent
from core.ids import new_id
from core.models import Blob
from factory.work import rules
from factory.work.models.graphs import Task


class AttemptQuerySet(models.QuerySet["Attempt"]):
    """Questions about attempts."""

    def at_work(self) -> "AttemptQuerySet":
        """Return what runs now, who began first comes first."""
        at_work = self.filter(state=Attempt.State.OPEN, task__state__in=sorted(rules.LEASED))
        return at_work.order_by("claimed_at")

    def with_costs(self) -> "AttemptQuerySet":
        """Add to each attempt its `cost_microusd` and the `model` it last called, both from the calls themselves."""
        calls = Call.objects.filter(assignment_id=OuterRef("pk")).order_by()
        total = calls.values("assignment_id").annotate(total=Sum("cost_microusd")).values("total")
        last = calls.order_by("-started_at").values("model__name")[:1]
        return self.annotate(
            cost_microusd=Coalesce(Subquery(total), 0), model=Coalesce(Subquery(last), Value(""))
        )


class Attempt(models.Model):
    """One try at one task, written with the claim, so that a death counts; its id is the lease."""

    class State(models.TextChoices):
        """How it ended."""

        OPEN = "open"
        OFFERED = "offered", "result is being judged"
        DONE = "done"
        FAILED = "failed"
        LOST = "lost", "worker vanished"
        WAITING = "waiting", "asked the owner"
        STOPPED = "stopped", "was asked to stop"
        UNSTARTED = "unstarted", "was never begun"
        CANCELLED = "cancelled"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    task = models.ForeignKey(Task, on_delete=models.PROTECT, related_name="attempts", db_index=False)
    agent = models.ForeignKey(
        Agent, on_delete=models.PROTECT, null=True, blank=True, related_name="attempts", db_index=False
    )
    n = models.PositiveIntegerField(help_text="The fence: grows with every claim of the task.")
    worker = models.CharField(max_length=160)
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    result = models.JSONField(null=True, blank=True)
    error = models.TextField(blank=True)
    error_class = models.CharField(max_length=20, blank=True)
    has_raised = models.BooleanField(default=False, help_text="Ended in an exception nobody expected.")
    has_read: "models.ManyToManyField[Artifact, models.Model]" = models.ManyToManyField(
        "Artifact", related_name="readers", blank=True
    )
    claimed_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    objects = AttemptQuerySet.as_manager()

    class Meta:
        """A task has one open and one accepted attempt at most."""

        constraints = [
            models.UniqueConstraint(name="one_fence_per_claim", fields=["task", "n"]),
            models.UniqueConstraint(name="one_open_attempt", fields=["task"], condition=Q(state="open")),
            models.UniqueConstraint(name="one_accepted_attempt", fields=["task"], condition=Q(state="done")),
            models.CheckConstraint(
                name="ended_attempts_say_when",
                condition=Q(state="open", ended_at__isnull=True)
                | (~Q(state="open") & Q(ended_at__isnull=False)),
            ),
        ]
        indexes = [
            models.Index(name="attempt_of_agent", fields=["agent"], condition=Q(agent__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"attempt {self.n} at {self.task_id}"

    @property
    def worked_s(self) -> float:
        """How long it worked, in seconds; 0 before it ended or when it never began."""
        return (self.ended_at - self.started_at).total_seconds() if self.started_at and self.ended_at else 0.0


class ArtifactQuerySet(models.QuerySet["Artifact"]):
    """Questions about artifacts."""

    def accepted(self) -> "ArtifactQuerySet":
        """Return what accepted attempts made, oldest first."""
        return self.filter(attempt__state=Attempt.State.DONE).order_by("created_at", "id")

    def unread(self) -> "ArtifactQuerySet":
        """Return what was accepted, is not final, and was read by nobody. Source: U-4."""
        return self.accepted().filter(is_final=False, readers__isnull=True)


class Artifact(models.Model):
    """One thing an attempt made; never changed."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    attempt = models.ForeignKey(Attempt, on_delete=models.PROTECT, related_name="artifacts")
    kind = models.CharField(max_length=40)
    name = models.CharField(max_length=200)
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, null=True, blank=True, related_name="artifacts")
    facts = models.JSONField(default=dict)
    is_final = models.BooleanField(default=False, help_text="Nobody needs to consume it.")
    created_at = models.DateTimeField(default=timezone.now)

    objects = ArtifactQuerySet.as_manager()

    class Meta:
        """An attempt makes each name once."""

        constraints = [models.UniqueConstraint(name="one_name_per_attempt", fields=["attempt", "name"])]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"
