"""Graphs of tasks: what is to be done, in which order, and how far it is."""

from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from agents.roster.models import Agent
from billing.models import Limit, Period, Scope
from core.ids import new_id
from core.models import OrderedJSONField
from factory.work import rules
from factory.work.models.lanes import Queue
from portfolio.models import Product

ASKS_AGAIN: Final = "question:"
"""Why a task is held whose yes was taken back; the request's id follows."""


class Dag(models.Model):
    """A graph of tasks made in one piece; every task is in exactly one."""

    class State(models.TextChoices):
        """How far it is; computed from its tasks."""

        PENDING = "pending"
        RUNNING = "running"
        STALLED = "stalled", "waits for the owner's choice"
        COMPLETED = "completed"
        FAILED = "failed", "none of its ends was reached"
        CANCELLED = "cancelled"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    key = models.CharField(max_length=200, unique=True, help_text="Idempotency key of whoever made it.")
    product = models.ForeignKey(Product, on_delete=models.PROTECT, null=True, blank=True, related_name="dags")
    scope = models.OneToOneField(Scope, on_delete=models.PROTECT, related_name="dag")
    payer = models.ForeignKey(
        Scope,
        on_delete=models.PROTECT,
        related_name="paid_dags",
        help_text="The product's scope, or the factory's.",
    )
    title = models.CharField(max_length=200)
    state = models.CharField(max_length=10, choices=State, default=State.PENDING)
    is_paused = models.BooleanField(default=False, help_text="None of its tasks is claimed.")
    correlation_id = models.UUIDField(null=True, db_index=True)
    created_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.title


class TaskQuerySet(models.QuerySet["Task"]):
    """Questions about tasks."""

    def claimable(self) -> "TaskQuerySet":
        """Return the tasks that wait for a worker, first in line first."""
        return self.filter(state=Task.State.READY, held="").order_by("rank", "id")

    def leased(self) -> "TaskQuerySet":
        """Return the tasks a worker holds."""
        return self.filter(lease__isnull=False)

    def overdue(self, now: datetime) -> "TaskQuerySet":
        """Return the tasks whose worker has been silent for too long."""
        return self.leased().filter(leased_until__lt=now).order_by("leased_until")

    def due(self, now: datetime) -> "TaskQuerySet":
        """Return the tasks whose next attempt may begin."""
        return self.filter(state=Task.State.RETRYING, not_before__lte=now).order_by("not_before")

    def unjudged(self, before: datetime) -> "TaskQuerySet":
        """Return the tasks whose result was offered before this moment and judged by nobody."""
        return self.filter(state=Task.State.VALIDATING, changed_at__lt=before).order_by("changed_at")

    def open(self) -> "TaskQuerySet":
        """Return the tasks that are not over."""
        return self.exclude(state__in=rules.FINAL)

    def blocked(self) -> "TaskQuerySet":
        """Return the tasks that wait behind one that was cancelled or given up, and not left out."""
        return self.filter(
            state__in=(Task.State.PENDING, Task.State.WAITING),
            dependencies__depends_on__state__in=(Task.State.CANCELLED, Task.State.DEAD_LETTER),
            dependencies__depends_on__is_left_out=False,
        ).distinct()


class Task(models.Model):
    """One piece of work, for an agent or for platform code; only `change_task` changes its state."""

    class State(models.TextChoices):
        """Where it stands. Source: R-04.1."""

        CREATED = "created"
        PENDING = "pending", "waits for other tasks"
        READY = "ready"
        CLAIMED = "claimed"
        RUNNING = "running"
        WAITING = "waiting", "waits for an answer"
        VALIDATING = "validating", "is being judged"
        COMPLETED = "completed"
        FAILED = "failed"
        RETRYING = "retrying", "is tried again soon"
        DEAD_LETTER = "dead_letter", "given up, waits for the owner"
        CANCELLED = "cancelled"

    class Source(models.TextChoices):
        """Where it comes from. Source: R-04.20."""

        SYSTEM = rules.SYSTEM, "the platform"
        HUMAN = "human", "a person"
        AGENT = "agent"
        SCHEDULE = "schedule"
        EVENT = "event", "an event or a webhook"
        GRAPH = "graph", "finished work"
        IMPROVEMENT = "improvement", "self-improvement"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    dag = models.ForeignKey(Dag, on_delete=models.PROTECT, related_name="tasks", db_index=False)
    scope = models.OneToOneField(Scope, on_delete=models.PROTECT, related_name="task")
    key = models.CharField(max_length=80, help_text="Its name inside the graph.")
    kind = models.CharField(max_length=80, default="agent", help_text="`agent`, or the kind of a job.")
    type = models.CharField(max_length=40, default="job", help_text="What sort of work; sets the time limit.")
    agent = models.ForeignKey(
        Agent, on_delete=models.PROTECT, null=True, blank=True, related_name="tasks", db_index=False
    )
    title = models.CharField(max_length=200)
    brief = models.TextField(blank=True)
    arguments = models.JSONField(default=dict)
    answer_schema = OrderedJSONField(null=True, blank=True)
    validator = models.CharField(max_length=80, default="none")
    workspace = models.JSONField(null=True, blank=True, help_text="`{repository, base, branch}`.")
    may_write = models.JSONField(default=list, help_text="Patterns of the paths it may change.")

    state = models.CharField(max_length=12, choices=State, default=State.CREATED)
    version = models.PositiveIntegerField(default=0, help_text="Grows with every change of state.")
    changed_at = models.DateTimeField(default=timezone.now, help_text="Machine time of the last change.")
    open_dependencies = models.PositiveSmallIntegerField(default=0)

    priority = models.PositiveSmallIntegerField(default=50)
    behind = models.PositiveSmallIntegerField(default=0, help_text="Longest chain of tasks behind it.")
    rank = models.FloatField(default=50.0, help_text="Its place among the ready.")
    queue = models.CharField(max_length=10, choices=Queue.Name, default=Queue.Name.CONTROL)
    lane = models.CharField(max_length=36, default="job", help_text="In which line it stands: see `Lane`.")
    held = models.CharField(
        max_length=80, blank=True, help_text="Why it is kept out of the line though it is ready; a code."
    )
    ready_at = models.DateTimeField(null=True)
    due_at = models.DateTimeField(null=True, blank=True, help_text="Business time.")
    not_before = models.DateTimeField(null=True, help_text="Machine time of the next attempt.")

    fence = models.PositiveIntegerField(default=0, help_text="Number of the last claim; only grows.")
    lease = models.UUIDField(null=True, help_text="The attempt that holds it.")
    leased_to = models.CharField(max_length=160, blank=True)
    leased_until = models.DateTimeField(null=True, help_text="Machine time.")
    run_until = models.DateTimeField(null=True, help_text="Machine time; no lease reaches further.")

    failures = models.PositiveSmallIntegerField(default=0, help_text="Since the owner last put it back.")
    unstarted = models.PositiveSmallIntegerField(default=0, help_text="Claims that were never begun.")
    question = models.UUIDField(null=True, blank=True, help_text="The request it waits for.")
    decisions = models.JSONField(default=dict, help_text="Answers it got, by action.")
    parent = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="children", db_index=False
    )
    depth = models.PositiveSmallIntegerField(default=0, help_text="How many parents stand above it.")
    is_left_out = models.BooleanField(default=False, help_text="The owner goes on without it.")
    source = models.CharField(max_length=12, choices=Source, default=Source.SYSTEM)
    created_by = models.CharField(max_length=80, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = TaskQuerySet.as_manager()

    class Meta:
        """The queue reads small indexes; a lease belongs to the two states that have a worker."""

        constraints = [
            models.UniqueConstraint(name="one_key_in_graph", fields=["dag", "key"]),
            models.UniqueConstraint(
                name="one_task_per_lease", fields=["lease"], condition=Q(lease__isnull=False)
            ),
            models.CheckConstraint(
                name="only_workers_hold_leases",
                condition=Q(state__in=sorted(rules.LEASED), lease__isnull=False, leased_until__isnull=False)
                | (~Q(state__in=sorted(rules.LEASED)) & Q(lease__isnull=True, leased_until__isnull=True)),
            ),
            models.CheckConstraint(
                name="ready_waits_for_nothing", condition=~Q(state="ready") | Q(open_dependencies=0)
            ),
            models.CheckConstraint(
                name="only_waiting_has_question", condition=Q(question__isnull=True) | Q(state="waiting")
            ),
            models.CheckConstraint(
                name="children_stand_below_parents",
                condition=Q(parent__isnull=True, depth=0) | Q(parent__isnull=False, depth__gt=0),
            ),
            models.CheckConstraint(name="only_ready_is_held", condition=Q(held="") | Q(state="ready")),
        ]
        indexes = [
            models.Index(
                name="task_in_line",
                fields=["queue", "lane", "rank", "id"],
                condition=Q(state="ready", held=""),
            ),
            models.Index(name="task_held", fields=["held"], condition=~Q(held="")),
            models.Index(
                name="task_due", fields=["due_at"], condition=Q(state="ready", due_at__isnull=False)
            ),
            models.Index(name="task_leased", fields=["leased_until"], condition=Q(lease__isnull=False)),
            models.Index(name="task_retrying", fields=["not_before"], condition=Q(state="retrying")),
            models.Index(name="task_of_agent", fields=["agent"], condition=Q(agent__isnull=False)),
            models.Index(name="task_of_parent", fields=["parent"], condition=Q(parent__isnull=False)),
            models.Index(
                name="task_not_over",
                fields=["dag"],
                # That a graph is named keeps the planner from reading the line of all graphs through it.
                condition=~Q(state__in=sorted(rules.FINAL)) & Q(dag__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_final(self) -> bool:
        """Whether it is over for good."""
        return self.state in rules.FINAL

    @property
    def open_question(self) -> UUID | None:
        """The request whose answer it needs; None: it needs none."""
        if self.held.startswith(ASKS_AGAIN):
            return UUID(self.held.removeprefix(ASKS_AGAIN))
        return self.question

    @property
    def holds_up(self) -> bool:
        """Whether what waits for it still has to."""
        return self.state != self.State.COMPLETED and not self.is_left_out

    @property
    def max_cost_microusd(self) -> int:
        """What it may cost in all; its scope says. No limit there means nothing."""
        limit = Limit.objects.filter(scope=self.scope_id, period=Period.LIFE).first()
        return limit.cap_microusd if limit else 0

    def place_in_line(self, now: datetime, *, business: datetime) -> tuple[float, datetime, UUID]:
        """Return what ready tasks are sorted by at this moment: priority, then age.

        Args:
            now: machine time.
            business: business time, for the due time.
        """
        since = self.ready_at or self.created_at
        hours_left = (self.due_at - business).total_seconds() / 3_600 if self.due_at else None
        priority = rules.effective_priority(
            self.priority,
            waited_min=(now - since).total_seconds() / 60,
            behind=self.behind,
            hours_left=hours_left,
        )
        return priority, since, self.pk


class Dependency(models.Model):
    """One task needs the result of another."""

    task = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="dependencies", db_index=False)
    depends_on = models.ForeignKey(Task, on_delete=models.CASCADE, related_name="dependents")

    class Meta:
        """Once each, and never on itself."""

        constraints = [
            models.UniqueConstraint(name="one_dependency", fields=["task", "depends_on"]),
            models.CheckConstraint(name="no_own_dependency", condition=~Q(task=F("depends_on"))),
        ]

    def __str__(self) -> str:
        return f"{self.task_id} after {self.depends_on_id}"
