"""Money kept aside for a call that is on its way."""

from datetime import datetime

from django.db import models
from django.db.models import Q, Value
from django.utils import timezone

from billing.models.scopes import Scope


class HoldQuerySet(models.QuerySet["Hold"]):
    """Questions about holds."""

    def open(self) -> "HoldQuerySet":
        """Return the holds that nobody settled yet."""
        return self.filter(state=Hold.State.HELD)

    def overdue(self, now: datetime) -> "HoldQuerySet":
        """Return the open holds whose caller should long have settled them."""
        return self.open().filter(expires_at__lte=now)


class Hold(models.Model):
    """The worst case of one call, kept aside in every window it counts in."""

    class State(models.TextChoices):
        """How it ended."""

        HELD = "held"
        CAPTURED = "captured"
        RELEASED = "released"
        EXPIRED = "expired", "lost: booked at the bound"

    call_id = models.UUIDField(
        primary_key=True, editable=False, help_text="Whose hold this is; a repeat returns the first."
    )
    bound_microusd = models.BigIntegerField()
    state = models.CharField(max_length=10, choices=State, default=State.HELD)
    owner = models.CharField(max_length=160, help_text="The process that waits: host:pid:nonce.")
    correlation_id = models.UUIDField(null=True)
    payer = models.ForeignKey(
        Scope,
        null=True,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        help_text="Whose cost it is.",
    )
    agent = models.CharField(max_length=120, blank=True, db_default="")
    provider = models.CharField(max_length=40, blank=True, db_default="")
    model = models.CharField(max_length=80, blank=True, db_default="")
    expires_at = models.DateTimeField(help_text="Machine time.")
    placed_at = models.DateTimeField(default=timezone.now, help_text="Machine time.")
    settled_at = models.DateTimeField(null=True, help_text="Machine time.")
    windows = models.JSONField(
        default=list,
        db_default=Value([], models.JSONField()),
        help_text="Ids of the windows it stands in, past midnight too.",
    )

    objects = HoldQuerySet.as_manager()

    class Meta:
        """The sweeper asks only for what is open."""

        indexes = [models.Index(name="hold_open", fields=["expires_at"], condition=Q(state="held"))]
        constraints = [
            models.CheckConstraint(name="hold_not_negative", condition=Q(bound_microusd__gte=0)),
            models.CheckConstraint(
                name="hold_settled_has_time", condition=Q(state="held") ^ Q(settled_at__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"hold of call {self.call_id}: {self.state}"
