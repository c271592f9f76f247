"""Where ready tasks stand in line, and how many of them may run at once."""

from django.db import models
from django.db.models import Q

from agents.roster.models import Agent


class Queue(models.Model):
    """One sort of worker that tasks wait for; the row that a pause of the queue locks."""

    class Name(models.TextChoices):
        """What its workers can do. Source: R-01.9."""

        CLOUD = "cloud", "agents' work without a workspace"
        BUILD = "build", "work in a workspace, tests and builds"
        CONTROL = "control", "the platform's own jobs"
        NOTIFY = "notify", "messages to people"
        GPU = "gpu", "work for the host with the graphics card"

    name = models.CharField(primary_key=True, max_length=10, choices=Name)
    is_paused = models.BooleanField(default=False, help_text="None of its tasks is claimed.")

    def __str__(self) -> str:
        return self.name


class Lane(models.Model):
    """One line of ready tasks that is open or shut as a whole: an agent's, or one of the two of platform jobs."""

    QUICK = "quick"
    JOB = "job"

    name = models.CharField(
        primary_key=True, max_length=36, help_text="The agent's id in hex, `quick` or `job`."
    )
    agent = models.OneToOneField(Agent, on_delete=models.CASCADE, null=True, related_name="lane")
    model = models.CharField(
        max_length=80, blank=True, help_text="Which limit of models binds it; empty: none."
    )

    def __str__(self) -> str:
        return self.agent.name if self.agent else self.name


class Permit(models.Model):
    """One place for one running attempt under one limit; a scope without rows is not limited."""

    scope = models.CharField(max_length=100, help_text="`agent:<lane>`, `model:<name>` or `queue:<name>`.")
    n = models.PositiveSmallIntegerField()
    holder = models.UUIDField(null=True, help_text="The attempt that has it.")
    is_open = models.BooleanField(
        default=True, help_text="A limit was lowered below it: it is given to nobody else."
    )
    is_reserved = models.BooleanField(
        default=False, help_text="Kept free for critical work. Source: R-04.28."
    )

    class Meta:
        """A limit is its rows: no count can be passed by a race."""

        constraints = [models.UniqueConstraint(name="one_permit_per_place", fields=["scope", "n"])]
        indexes = [
            models.Index(name="permit_free", fields=["scope", "n"], condition=Q(holder=None, is_open=True)),
            models.Index(name="permit_held", fields=["holder"], condition=Q(holder__isnull=False)),
        ]

    def __str__(self) -> str:
        return f"{self.scope} {self.n}"
