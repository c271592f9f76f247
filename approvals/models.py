"""Questions to the owner, and the answers."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from approvals.rules import (
    MOST_ROUNDS,
    TITLE_LENGTH,
    Card,
    Waiting,
    cards_of,
    oldest_answer_in_force,
    reminders_gone,
    urgency,
)
from core.ids import new_id


class RequestQuerySet(models.QuerySet["Request"]):
    """Questions about questions."""

    def waiting(self) -> "RequestQuerySet":
        """Return what the owner has to answer, the next deadline first."""
        return self.filter(state=Request.State.PENDING).order_by("deadline", "pk")

    def for_lists(self) -> "RequestQuerySet":
        """Return the questions without the long parts that only their own page shows."""
        return self.defer("binds", "reason", "worst_case_parts", "alternatives", "evidence", "diff")

    def overdue(self, now: datetime) -> "RequestQuerySet":
        """Return what is still unanswered at its deadline."""
        return self.waiting().filter(deadline__lte=now)

    def to_remind_of(self, now: datetime) -> "RequestQuerySet":
        """Return what waits and whose next reminder is due."""
        return self.filter(state=Request.State.PENDING, remind_at__lte=now).order_by("pk")

    def pressing_first(self, now: datetime) -> "list[Request]":
        """Return what waits, by money at stake per hour left."""
        return sorted(self.waiting(), key=lambda request: -request.urgency_at(now))

    def in_order(self, ids: Sequence[UUID]) -> "list[Request]":
        """Return these questions in this order."""
        found = self.in_bulk(ids)
        return [found[pk] for pk in ids if pk in found]

    def cards(self, now: datetime) -> list[Card]:
        """Return what waits as the owner sees it: equal questions and bundles as one; nothing is loaded whole."""
        columns = ("pk", "alike", "correlation_id", "asked_at", "deadline", "worst_case_microusd")
        return cards_of((Waiting(*row) for row in self.waiting().values_list(*columns)), now=now)

    def in_force(self, *, action: str, digest: str, now: datetime) -> "RequestQuerySet":
        """Return the unused approvals of exactly this effect that are not void yet, oldest first."""
        fresh = self.filter(decision__business_at__gt=oldest_answer_in_force(now))
        return fresh.filter(state=Request.State.APPROVED, action=action, digest=digest).order_by("pk")


class Request(models.Model):
    """One question; what would happen is fixed by its digest."""

    class State(models.TextChoices):
        """From `pending` to one answer or none; an approval is used once. Source: R-12.7."""

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
    alike = models.CharField(max_length=64, blank=True, help_text="Equal questions have it in common.")
    title = models.CharField(max_length=TITLE_LENGTH, help_text="A question.")
    reason = models.TextField()
    asked_by = models.CharField(max_length=80, help_text="`agent:Kev`.")
    product = models.CharField(max_length=80, blank=True)
    worst_case_microusd = models.BigIntegerField(null=True, help_text="None: unknown.")
    worst_case_parts = models.JSONField(
        default=list, help_text="[{words, microusd}]; empty or exactly the worst case."
    )
    on_yes = models.TextField(help_text="What a yes does, in words.")
    on_no = models.TextField(help_text="What a no does, in words.")
    is_reversible = models.BooleanField(null=True, help_text="None: unknown.")
    undo = models.CharField(max_length=120, blank=True, help_text="How, and how soon, a yes can be undone.")
    alternatives = models.JSONField(default=list, help_text="[{name, words}]: other ways.")
    evidence = models.JSONField(default=list, help_text="[{name, passed, words}]")
    diff = models.TextField(blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.PENDING, db_index=True)
    asked_at = models.DateTimeField(help_text="Business time.")
    deadline = models.DateTimeField(help_text="Business time; silence refuses.")
    remind_at = models.DateTimeField(
        null=True, help_text="Business time of the next reminder; None: no more."
    )
    round = models.PositiveSmallIntegerField(default=1, help_text="1, or one more than what it follows.")
    follows = models.ForeignKey(
        "self", null=True, on_delete=models.PROTECT, related_name="followers",
        help_text="The question that the owner wanted changed.",
    )  # fmt: skip
    withdrawn_why = models.CharField(max_length=300, blank=True)
    correlation_id = models.UUIDField(null=True, db_index=True)
    created_at = models.DateTimeField(default=timezone.now, help_text="Machine time.")

    objects = RequestQuerySet.as_manager()

    class Meta:
        """A state is one of the table's, and a stake is never negative; what waits is found without the rest."""

        indexes = [
            models.Index(name="request_waits", fields=["deadline", "id"], condition=Q(state="pending")),
            models.Index(name="request_to_remind", fields=["remind_at"], condition=Q(state="pending")),
            models.Index(name="request_by_age", fields=["-asked_at", "-id"]),
        ]
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
            models.CheckConstraint(
                name="request_round_is_one_of_three", condition=Q(round__gte=1) & Q(round__lte=MOST_ROUNDS)
            ),
        ]

    def __str__(self) -> str:
        return self.title

    def urgency_at(self, now: datetime) -> float:
        """Return micro-dollars at stake per hour left at business time `now`."""
        return urgency(worst_case_microusd=self.worst_case_microusd, left=self.deadline - now)

    def reminders_at(self, now: datetime) -> int:
        """Return how often the owner was reminded by business time `now`: 0, 1 or 2."""
        return reminders_gone(asked_at=self.asked_at, deadline=self.deadline, now=now)

    @property
    def on_silence(self) -> str:
        """What no answer does: it is a no, always."""
        return self.on_no

    @property
    def is_last_round(self) -> bool:
        """Whether asking for a change counts as no by now."""
        return self.round >= MOST_ROUNDS


class Decision(models.Model):
    """The one answer to a request; silence is no row, and refuses."""

    class Answer(models.TextChoices):
        """What the owner said."""

        APPROVE = "approve"
        REJECT = "reject"
        CHANGE = "change"

    class Channel(models.TextChoices):
        """Through which door it came."""

        PAGE = "page"
        REST = "rest"
        ADMIN = "admin"
        CLI = "cli"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    request = models.OneToOneField(Request, on_delete=models.PROTECT)
    answer = models.CharField(max_length=10, choices=Answer)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="decisions")
    words = models.TextField(blank=True)
    digest_shown = models.CharField(max_length=64)
    channel = models.CharField(max_length=10, choices=Channel, default=Channel.PAGE)
    looked_s = models.FloatField(
        null=True, help_text="Machine time from the page to the answer; None: unknown."
    )
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
                name="channel_is_known", condition=Q(channel__in=["page", "rest", "admin", "cli"])
            ),
            models.CheckConstraint(
                name="only_a_yes_is_used", condition=Q(used_at__isnull=True) | Q(answer="approve")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.request}: {self.answer}"

    @property
    def seconds(self) -> float:
        """How long the owner took, in business time."""
        return (self.business_at - self.request.asked_at).total_seconds()
