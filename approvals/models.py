"""Questions to the owner, and the answers."""

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from approvals.rules import TITLE_LENGTH, oldest_answer_in_force, urgency
from core.ids import new_id


class RequestQuerySet(models.QuerySet["Request"]):
    """Questions about questions."""

    def waiting(self) -> "RequestQuerySet":
        """Return what the owner has to answer, the next deadline first."""
        return self.filter(state=Request.State.PENDING).order_by("deadline", "pk")

    def overdue(self, now: datetime) -> "RequestQuerySet":
        """Return what is still unanswered at its deadline."""
        return self.waiting().filter(deadline__lte=now)

    def pressing_first(self, now: datetime) -> "list[Request]":
        """Return what waits, by money at stake per hour left."""
        return sorted(self.waiting(), key=lambda request: -request.urgency_at(now))

    def in_force(self, *, action: str, digest: str, now: datetime) -> "RequestQuerySet":
        """Return the unused approvals of exactly this effect that are not void yet, oldest first."""
        fresh = self.filter(decision__business_at__gt=oldest_answer_in_force(now))
        return fresh.filter(state=Request.State.APPROVED, action=action, digest=digest).order_by("pk")


class Request(models.Model):
    """One question; what would happen is fixed by its digest."""

    class State(models.TextChoices):
        """From `pending` to one answer or none; an approval is used once."""

        PENDING = "pending"
        APPROVED = "approved"
        REJECTED = "rejected"
        CHANGED = "changed"
        EXPIRED = "expired"
        WITHDRAWN = "withdrawn"
        USED = "used"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    key = models.CharField(max_length=160, unique=True, help_text="Asked once under this key.")
    action = models.CharField(max_length=80)
    arguments = models.JSONField(default=dict)
    binds = models.JSONField(default=dict, help_text="Artifact digest, amount, payee: what must not change.")
    digest = models.CharField(max_length=64, db_index=True)
    title = models.CharField(max_length=TITLE_LENGTH, help_text="A question.")
    reason = models.TextField()
    asked_by = models.CharField(max_length=80, help_text="`agent:Kev`.")
    product = models.CharField(max_length=80, blank=True)
    worst_case_microusd = models.BigIntegerField(null=True, help_text="None: unknown.")
    on_yes = models.TextField(help_text="What a yes does, in words.")
    on_no = models.TextField(help_text="What a no does, in words.")
    evidence = models.JSONField(default=list, help_text="[{name, passed, words}]")
    diff = models.TextField(blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.PENDING, db_index=True)
    asked_at = models.DateTimeField(help_text="Business time.")
    deadline = models.DateTimeField(help_text="Business time; silence refuses.")
    correlation_id = models.UUIDField(null=True, db_index=True)
    created_at = models.DateTimeField(default=timezone.now, help_text="Machine time.")

    objects = RequestQuerySet.as_manager()

    class Meta:
        """A state is one of the table's, and a stake is never negative."""

        constraints = [
            models.CheckConstraint(
                name="request_state_is_known",
                condition=Q(
                    state__in=["pending", "approved", "rejected", "changed", "expired", "withdrawn", "used"]
                ),
            ),
            models.CheckConstraint(
                name="request_stake_is_not_negative",
                condition=Q(worst_case_microusd__isnull=True) | Q(worst_case_microusd__gte=0),
            ),
        ]

    def __str__(self) -> str:
        return self.title

    def urgency_at(self, now: datetime) -> float:
        """Return micro-dollars at stake per hour left at business time `now`."""
        return urgency(worst_case_microusd=self.worst_case_microusd, left=self.deadline - now)


class Decision(models.Model):
    """The one answer to a request; silence is no row, and refuses."""

    class Answer(models.TextChoices):
        """What the owner said."""

        APPROVE = "approve"
        REJECT = "reject"
        CHANGE = "change"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    request = models.OneToOneField(Request, on_delete=models.PROTECT)
    answer = models.CharField(max_length=10, choices=Answer)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="decisions")
    words = models.TextField(blank=True)
    digest_shown = models.CharField(max_length=64)
    at = models.DateTimeField(default=timezone.now, help_text="Machine time.")
    business_at = models.DateTimeField(help_text="Business time; an approval is void 4 h later.")
    used_at = models.DateTimeField(null=True, help_text="Business time.")

    class Meta:
        """An answer is one of three, and only a yes is used."""

        constraints = [
            models.CheckConstraint(
                name="answer_is_known", condition=Q(answer__in=["approve", "reject", "change"])
            ),
            models.CheckConstraint(
                name="only_a_yes_is_used", condition=Q(used_at__isnull=True) | Q(answer="approve")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.request}: {self.answer}"
