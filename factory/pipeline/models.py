"""What the factory was asked to do, what Kev planned, and what he saw on his rounds."""

from django.db import models
from django.utils import timezone

from core.ids import new_id
from core.models import Mode
from factory.pipeline.rules import objectives
from factory.pipeline.rules.quote import Range
from factory.work.models import Dag, DeadLetter
from portfolio.models import Product


class ObjectiveQuerySet(models.QuerySet["Objective"]):
    """Questions about objectives."""

    def open(self) -> "ObjectiveQuerySet":
        """Return what is not over."""
        return self.exclude(state__in=objectives.FINAL)

    def new(self) -> "ObjectiveQuerySet":
        """Return what nobody has begun yet, the oldest first."""
        return self.filter(state=Objective.State.RECEIVED).order_by("created_at", "id")


class Objective(models.Model):
    """One wish: from the owner, an agent, a schedule, an event, a finished graph or the factory itself. Source: R-01.1."""

    class Source(models.TextChoices):
        """Where it comes from."""

        OWNER = "owner"
        AGENT = "agent", "an agent's idea"
        SCHEDULE = "schedule"
        EVENT = "event", "a signal or a webhook"
        GRAPH = "graph", "finished work"
        IMPROVEMENT = "improvement", "the factory's own proposal"

    class State(models.TextChoices):
        """How far it is. Source: R-01.2."""

        RECEIVED = "received"
        PLANNING = "planning"
        AWAITING_APPROVAL = "awaiting_approval", "waits for the owner"
        RUNNING = "running"
        DONE = "done"
        REJECTED = "rejected"
        FAILED = "failed"
        CANCELLED = "cancelled"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    source = models.CharField(max_length=12, choices=Source)
    key = models.CharField(max_length=160, help_text="Idempotency key of the source.")
    text = models.TextField(help_text="Only the owner's words are orders; all others are data.")
    product = models.ForeignKey(
        Product, on_delete=models.PROTECT, null=True, blank=True, related_name="objectives"
    )
    budget_microusd = models.BigIntegerField(null=True, blank=True, help_text="None: the limits bind alone.")
    deadline = models.DateTimeField(null=True, blank=True, help_text="Business time.")
    state = models.CharField(max_length=20, choices=State, default=State.RECEIVED)
    reason = models.CharField(max_length=500, blank=True, help_text="Of the last change.")
    created_by = models.CharField(max_length=80)
    created_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)

    objects = ObjectiveQuerySet.as_manager()

    class Meta:
        """The same wish of the same source is one row."""

        constraints = [
            models.UniqueConstraint(name="one_objective_per_key", fields=["source", "key"]),
            models.CheckConstraint(
                name="objective_budget_is_not_negative",
                condition=models.Q(budget_microusd__isnull=True) | models.Q(budget_microusd__gte=0),
            ),
        ]
        indexes = [models.Index(name="objective_state", fields=["state", "created_at"])]

    def __str__(self) -> str:
        return self.text[:80]

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens with it."""
        return self.state in objectives.FINAL


class ObjectiveChange(models.Model):
    """One change of an objective's state; never changed, never deleted."""

    sequence = models.BigAutoField(primary_key=True)
    objective = models.ForeignKey(Objective, on_delete=models.PROTECT, related_name="changes")
    old = models.CharField(max_length=20, choices=Objective.State)
    new = models.CharField(max_length=20, choices=Objective.State)
    actor = models.CharField(max_length=160)
    reason = models.CharField(max_length=500, blank=True)
    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.old} > {self.new}"


class Plan(models.Model):
    """One plan that Kev proposed, and what the rules said; only one without violations is carried out. Source: R-01.22."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="plans")
    objective = models.ForeignKey(Objective, on_delete=models.PROTECT, null=True, related_name="plans")
    version = models.PositiveSmallIntegerField()
    content = models.JSONField(help_text="As it was proposed.")
    violations = models.JSONField(default=list, help_text="Names of the rules it breaks.")
    proposed_by = models.CharField(max_length=80)
    attempt_id = models.UUIDField(unique=True, help_text="The attempt that proposed it.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        """Versions count up."""

        constraints = [models.UniqueConstraint(name="one_plan_per_version", fields=["product", "version"])]

    def __str__(self) -> str:
        return f"plan {self.version} of {self.product}"


class Quote(models.Model):
    """What a build was expected to cost before its owner was asked; never changed, so that it can be held against what it did cost.

    `low_microusd` and `high_microusd` are those of the parts that are known; `cost` says what that means.
    """

    class Basis(models.TextChoices):
        """What the range comes from."""

        BUILDS = "builds", "builds that ended"
        TOKENS = "tokens", "arithmetic of tokens, half as much again"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="quotes")
    task_id = models.UUIDField(unique=True, help_text="The gate that asks with it.")
    basis = models.CharField(max_length=6, choices=Basis)
    builds = models.PositiveIntegerField(default=0, help_text="How many ended builds it stands on.")
    parts = models.JSONField(help_text="[{name, agent, model, low_microusd, high_microusd, low_s, high_s}]")
    low_microusd = models.BigIntegerField()
    high_microusd = models.BigIntegerField()
    stop_microusd = models.BigIntegerField(help_text="Where the build stops by itself and asks.")
    low_s = models.PositiveIntegerField(help_text="Work without waiting.")
    high_s = models.PositiveIntegerField()
    day_cap_microusd = models.BigIntegerField(
        help_text="What the factory might spend a day when it was made."
    )
    unknown = models.JSONField(default=list, help_text="Parts whose cost is not known.")
    mode = models.CharField(max_length=10, choices=Mode)
    made_at = models.DateTimeField(help_text="Business time.")

    class Meta:
        """A range has a lower and an upper end, and ends where the build stops."""

        constraints = [
            models.CheckConstraint(
                name="quote_is_a_range",
                condition=models.Q(
                    low_microusd__gte=0,
                    low_microusd__lte=models.F("high_microusd"),
                    high_microusd__lte=models.F("stop_microusd"),
                    low_s__lte=models.F("high_s"),
                ),
            )
        ]
        indexes = [models.Index(name="quote_of_product", fields=["product", "made_at"])]

    def __str__(self) -> str:
        return f"quote for {self.product}"

    @property
    def cost(self) -> Range:
        """What was expected, with what was not known of it."""
        return Range(self.low_microusd, self.high_microusd, tuple(self.unknown))


class Round(models.Model):
    """One look of Kev at the whole factory that found something; one that finds nothing leaves nothing. Source: R-01.20."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    at = models.DateTimeField(default=timezone.now)
    found = models.JSONField(help_text="How many of each.")
    dag = models.ForeignKey(Dag, on_delete=models.PROTECT, null=True, related_name="+")

    def __str__(self) -> str:
        return f"round of {self.at:%Y-%m-%d %H:%M}"


class Advice(models.Model):
    """What Kev would do about work that was given up; the owner chooses."""

    class Choice(models.TextChoices):
        """The ways out."""

        RETRY = "retry"
        CHANGE = "change", "change and try again"
        CANCEL = "cancel"
        CONTINUE = "continue", "go on without it"

    letter = models.OneToOneField(
        DeadLetter, on_delete=models.PROTECT, primary_key=True, related_name="advice"
    )
    choice = models.CharField(max_length=10, choices=Choice)
    words = models.TextField()
    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.choice}: {self.words[:60]}"


class Hook(models.Model):
    """One sender outside whose signed messages become wishes; many within its pause become one. Source: R-04.21."""

    name = models.SlugField(primary_key=True, max_length=40)
    secret = models.TextField(help_text="Sealed.")
    pause_s = models.PositiveIntegerField(help_text="Machine time from the first message to the wish.")
    created_by = models.CharField(max_length=80)
    created_at = models.DateTimeField(default=timezone.now)
    closed_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.name


class HookCallQuerySet(models.QuerySet["HookCall"]):
    """Questions about messages."""

    def waiting(self) -> "HookCallQuerySet":
        """Return those of which no wish was made yet, the oldest first."""
        return self.filter(objective=None).order_by("at", "id")


class HookCall(models.Model):
    """One signed message, once; a repeat of it is the same row."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    hook = models.ForeignKey(Hook, on_delete=models.PROTECT, related_name="calls")
    signature_sha256 = models.CharField(max_length=64)
    text = models.TextField(help_text="Data, never an order.")
    objective = models.ForeignKey(
        Objective, on_delete=models.PROTECT, null=True, blank=True, related_name="calls"
    )
    at = models.DateTimeField(default=timezone.now)

    objects = HookCallQuerySet.as_manager()

    class Meta:
        """Nobody's message counts twice."""

        constraints = [
            models.UniqueConstraint(name="one_call_per_signature", fields=["hook", "signature_sha256"])
        ]
        indexes = [
            models.Index(name="call_waits", fields=["hook", "at"], condition=models.Q(objective__isnull=True))
        ]

    def __str__(self) -> str:
        return f"{self.hook_id}: {self.text[:60]}"
