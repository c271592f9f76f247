"""What happened in an attempt: its session, turns and tool calls; and what was paid once for all attempts."""

from uuid import UUID

from django.db import models
from django.utils import timezone

from agents.roster.models import Agent, AgentVersion, CapabilityToken
from core.ids import new_id
from core.models import Blob


class SessionQuerySet(models.QuerySet["Session"]):
    """Questions about sessions."""

    def running(self) -> "SessionQuerySet":
        """Return what agents do now, the longest first; a session without a live token belongs to the dead."""
        live = CapabilityToken.objects.live(timezone.now()).values("assignment_id")
        alive = self.filter(state=Session.State.RUNNING, assignment_id__in=live)
        return alive.select_related("agent").order_by("started_at")

    def before(self, *, reuse_key: UUID, assignment_id: UUID) -> "Session | None":
        """Return the session of the attempt before this one at the same piece of work."""
        return self.filter(reuse_key=reuse_key).exclude(assignment_id=assignment_id).order_by("-pk").first()


class Session(models.Model):
    """One attempt of one agent, by the version with which it began."""

    class State(models.TextChoices):
        """How it stands; what a dead process left running is stopped by the next attempt."""

        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"
        STOPPED = "stopped"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    assignment_id = models.UUIDField(unique=True)
    reuse_key = models.UUIDField(
        db_index=True, help_text="The piece of work; attempts at it share paid steps."
    )
    agent = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="sessions")
    agent_version = models.ForeignKey(AgentVersion, on_delete=models.PROTECT, related_name="+")
    prompt = models.ForeignKey(
        Blob, on_delete=models.PROTECT, related_name="+", help_text="The system text; its SHA-256 is the key."
    )
    title = models.CharField(max_length=200)
    continues = models.ForeignKey(
        "self",
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="The session before, when it ended for a reason outside the work; its workspace is kept.",
    )
    told_error = models.TextField(blank=True, help_text="What the agent was told of an earlier attempt.")
    tier_steps = models.SmallIntegerField(default=0, help_text="How far above the agent's own tier.")
    base_commit = models.CharField(max_length=64, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.RUNNING, db_index=True)
    error = models.TextField(blank=True)
    error_class = models.CharField(max_length=20, blank=True)
    correlation_id = models.UUIDField(null=True, db_index=True)
    started_at = models.DateTimeField(default=timezone.now, help_text="Machine time.")
    ended_at = models.DateTimeField(null=True, help_text="Machine time.")

    objects = SessionQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.agent}: {self.title}"


class Turn(models.Model):
    """One answer of a model. Source: R-01.11."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    session = models.ForeignKey(Session, on_delete=models.CASCADE, related_name="turns")
    number = models.PositiveSmallIntegerField(help_text="From 1; a cut answer is a turn of its own.")
    call_id = models.UUIDField(help_text="The paid call.")
    provider = models.CharField(max_length=40)
    model = models.CharField(max_length=80)
    tier = models.CharField(max_length=20)
    prompt_tokens = models.PositiveIntegerField(null=True, help_text="None: the provider did not say.")
    completion_tokens = models.PositiveIntegerField(null=True)
    cached_tokens = models.PositiveIntegerField(null=True)
    cost_microusd = models.BigIntegerField(help_text="0 when an earlier attempt paid it.")
    is_replayed = models.BooleanField(default=False, help_text="Paid and stored by an earlier attempt.")
    stop = models.CharField(max_length=10)
    text = models.TextField(blank=True)
    at = models.DateTimeField(default=timezone.now, help_text="Machine time.")

    class Meta:
        """Turns of a session have an order."""

        ordering = ["number"]
        constraints = [models.UniqueConstraint(name="one_turn_per_number", fields=["session", "number"])]

    def __str__(self) -> str:
        return f"turn {self.number}"


class ToolCall(models.Model):
    """One use of a tool and what the agent was told."""

    class Outcome(models.TextChoices):
        """How it ended."""

        DONE = "done"
        REFUSED = "refused", "refused: arguments, path or command"
        DENIED = "denied", "denied: not its right"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    turn = models.ForeignKey(Turn, on_delete=models.CASCADE, related_name="tool_calls")
    tool = models.CharField(max_length=80)
    arguments = models.JSONField(null=True, help_text="None: what the model wrote was unreadable.")
    result = models.TextField()
    outcome = models.CharField(max_length=10, choices=Outcome)
    is_error = models.BooleanField(default=False)
    is_replayed = models.BooleanField(default=False)
    duration_ms = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return self.tool


class StepResult(models.Model):
    """One finished step of a piece of work: a paid answer or a tool's result; found again by any later attempt. Source: R-01.25."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    reuse_key = models.UUIDField()
    step_key = models.CharField(max_length=80)
    value = models.JSONField()
    cost_microusd = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        """A step is finished once."""

        constraints = [models.UniqueConstraint(name="one_result_per_step", fields=["reuse_key", "step_key"])]

    def __str__(self) -> str:
        return self.step_key[:12]


class NoteQuerySet(models.QuerySet["Note"]):
    """Questions about notes."""

    def due(self, reuse_key: UUID, *, turn: int) -> "NoteQuerySet":
        """Return what an attempt at this piece of work hears before this turn: what is new, and what was heard there before."""
        mine = self.filter(reuse_key=reuse_key).order_by("pk")
        return mine.filter(models.Q(before_turn=None) | models.Q(before_turn=turn))


class Note(models.Model):
    """What a person told an agent while it worked; it widens no right and no limit."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    reuse_key = models.UUIDField(db_index=True, help_text="The piece of work.")
    assignment_id = models.UUIDField(help_text="The attempt that was going on.")
    text = models.TextField()
    by = models.CharField(max_length=80)
    at = models.DateTimeField(default=timezone.now, help_text="Machine time.")
    before_turn = models.PositiveSmallIntegerField(
        null=True,
        help_text="Before which turn it was first read, so that a later attempt hears it there; None: not yet.",
    )
    read_at = models.DateTimeField(null=True, help_text="Machine time.")

    objects = NoteQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.by}: {self.text[:60]}"
