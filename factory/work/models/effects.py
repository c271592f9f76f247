"""What tasks do outside the factory: written down before it is done."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from approvals.models import Request
from core.ids import new_id
from factory.work.models.attempts import Attempt
from factory.work.models.graphs import Task


class EffectQuerySet(models.QuerySet["Effect"]):
    """Questions about effects."""

    def unresolved(self) -> "EffectQuerySet":
        """Return what was begun by attempts that are over: whether it happened is not known here."""
        return self.filter(state=Effect.State.DOING).exclude(attempt__state=Attempt.State.OPEN)

    def unknown(self) -> "EffectQuerySet":
        """Return what only the owner can say."""
        return self.filter(state=Effect.State.UNKNOWN)


class Effect(models.Model):
    """One thing that happens outside, once: its intent stands here before it is begun. Source: U-9, U-19."""

    class State(models.TextChoices):
        """How far it is."""

        INTENT = "intent", "will be done"
        DOING = "doing"
        DONE = "done"
        FAILED = "failed", "could not be done"
        UNKNOWN = "unknown", "nobody knows whether it was done"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    key = models.CharField(
        max_length=64, unique=True, help_text="Of task, purpose and arguments; told to whoever does it."
    )
    task = models.ForeignKey(Task, on_delete=models.PROTECT, related_name="effects")
    attempt = models.ForeignKey(
        Attempt, on_delete=models.PROTECT, null=True, related_name="effects", help_text="Who began it last."
    )
    request = models.ForeignKey(
        Request,
        on_delete=models.PROTECT,
        null=True,
        related_name="effects",
        help_text="The approval it follows from.",
    )
    purpose = models.CharField(max_length=80)
    arguments = models.JSONField()
    title = models.CharField(max_length=200, help_text="What is done, in words.")
    can_repeat = models.BooleanField(
        default=False, help_text="Done again under the same key, it happens once."
    )
    state = models.CharField(max_length=8, choices=State, default=State.INTENT)
    tries = models.PositiveSmallIntegerField(default=0)
    external_id = models.CharField(max_length=200, blank=True, help_text="Its name where it happened.")
    result = models.JSONField(null=True)
    words = models.TextField(blank=True, help_text="Why it is not done.")
    created_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)

    objects = EffectQuerySet.as_manager()

    class Meta:
        """Whatever was begun says by whom; the sweeper asks for what is being done alone."""

        constraints = [
            models.CheckConstraint(
                name="a_begun_effect_says_by_whom", condition=~Q(state="doing") | Q(attempt__isnull=False)
            )
        ]
        indexes = [
            models.Index(name="effect_open", fields=["state"], condition=Q(state__in=("doing", "unknown")))
        ]

    def __str__(self) -> str:
        return f"{self.title}: {self.state}"
