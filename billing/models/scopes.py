"""Whose money it is, and how much of it a period may take."""

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from billing.rules import CEILING_MICROUSD, Room
from core.ids import new_id
from core.models import Mode


class Period(models.TextChoices):
    """How long a limit counts; days and months are UTC, in business time. Source: R-02.13."""

    CALL = "call", "per call"
    DAY = "day", "per day"
    MONTH = "month", "per month"
    LIFE = "life", "in all"


class Scope(models.Model):
    """The one address of money: whoever owns a thing that costs or earns points here."""

    class Kind(models.TextChoices):
        """What the money is for."""

        FACTORY = "factory"
        TEAM = "team"
        AGENT = "agent"
        TIER = "tier"
        PRODUCT = "product"
        DAG = "dag"
        TASK = "task"
        SESSION = "session", "engine session"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=10, choices=Kind)
    ref = models.CharField(max_length=120, help_text="Which one, in the words of the app that owns it.")
    label = models.CharField(max_length=160, help_text="How a page calls it.")
    parent = models.ForeignKey(
        "self", null=True, on_delete=models.PROTECT, help_text="Who pays with it, e.g. an agent's team."
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, help_text="None: the factory's own."
    )
    correlation_id = models.UUIDField(null=True, help_text="The story in which it was opened.")
    mode = models.CharField(max_length=10, choices=Mode)
    opened_at = models.DateTimeField(default=timezone.now, help_text="Machine time.")

    class Meta:
        """One address per thing."""

        constraints = [models.UniqueConstraint(name="one_scope_per_thing", fields=["kind", "ref"])]

    def __str__(self) -> str:
        return self.label


class Limit(models.Model):
    """What one scope may spend in each period of a kind."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    scope = models.ForeignKey(Scope, on_delete=models.PROTECT, related_name="limits")
    period = models.CharField(max_length=5, choices=Period)
    cap_microusd = models.BigIntegerField()
    until = models.DateTimeField(null=True, help_text="Business time at which a raise ends; None: it stays.")
    returns_to_microusd = models.BigIntegerField(null=True, help_text="The cap after that.")
    set_by = models.CharField(max_length=80, default="system", db_default="system")
    why = models.CharField(max_length=300, blank=True, db_default="")

    class Meta:
        """No day above the ceiling, whoever writes. Source: R-08.1, R-08.2."""

        constraints = [
            models.UniqueConstraint(name="one_limit_per_period", fields=["scope", "period"]),
            models.CheckConstraint(
                name="limit_below_ceiling", condition=~Q(period="day") | Q(cap_microusd__lte=CEILING_MICROUSD)
            ),
            models.CheckConstraint(name="limit_not_negative", condition=Q(cap_microusd__gte=0)),
            models.CheckConstraint(
                name="a_raise_has_an_end_and_a_way_back",
                condition=Q(until__isnull=True, returns_to_microusd__isnull=True)
                | Q(until__isnull=False, returns_to_microusd__gte=0),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.scope} {self.get_period_display()}"

    def cap_at(self, moment: datetime) -> int:
        """Return the cap at business time `moment`: a raise that is over counts no more."""
        is_over = self.until is not None and self.until <= moment
        return (
            self.returns_to_microusd
            if is_over and self.returns_to_microusd is not None
            else self.cap_microusd
        )


class RaiseAsked(models.Model):
    """A raise so large that it is confirmed twice: asked for once, done at the second time. Source: R-08.2."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    limit = models.ForeignKey(Limit, on_delete=models.PROTECT, related_name="raises")
    cap_microusd = models.BigIntegerField()
    by = models.CharField(max_length=80)
    why = models.CharField(max_length=300)
    asked_at = models.DateTimeField(default=timezone.now, help_text="Machine time.")
    done_at = models.DateTimeField(null=True, help_text="Machine time.")

    class Meta:
        """Only a day can pass the ceiling, and none may."""

        verbose_name_plural = "raises asked for"

    def __str__(self) -> str:
        return f"raise of {self.limit}"


class WindowQuerySet(models.QuerySet["Window"]):
    """Questions about windows."""

    def at(self, moment: datetime) -> "WindowQuerySet":
        """Return the windows that hold the business time `moment`."""
        return self.since(moment, moment)

    def since(self, first: datetime, last: datetime) -> "WindowQuerySet":
        """Return the windows that hold any business time from `first` to `last`."""
        return self.filter(Q(ends_at=None) | Q(ends_at__gt=first), starts_at__lte=last)

    def with_room_for(self, bound_microusd: int) -> "WindowQuerySet":
        """Return the windows into which `bound_microusd` still fits."""
        taken = F("spent_microusd") + F("held_microusd")
        return self.filter(cap_microusd__gte=taken + bound_microusd)


class Window(models.Model):
    """One period of one limit: `spent + held <= amount` at every instant. Source: R-02.25."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    scope = models.ForeignKey(Scope, on_delete=models.PROTECT, related_name="windows", db_index=False)
    period = models.CharField(max_length=5, choices=Period)
    starts_at = models.DateTimeField(help_text="Business time.")
    ends_at = models.DateTimeField(null=True, help_text="Business time; None: never.")
    cap_microusd = models.BigIntegerField(help_text="What new holds must fit into.")
    amount_microusd = models.BigIntegerField(help_text="The cap, or what was committed when it was lowered.")
    spent_microusd = models.BigIntegerField(default=0)
    held_microusd = models.BigIntegerField(default=0)

    objects = WindowQuerySet.as_manager()

    class Meta:
        """No way around a limit, whoever writes."""

        constraints = [
            models.UniqueConstraint(name="one_window_per_start", fields=["scope", "period", "starts_at"]),
            models.CheckConstraint(
                name="window_is_never_passed",
                condition=Q(amount_microusd__gte=F("spent_microusd") + F("held_microusd")),
            ),
            models.CheckConstraint(
                name="window_counts_up_from_zero", condition=Q(spent_microusd__gte=0, held_microusd__gte=0)
            ),
            models.CheckConstraint(
                name="window_cap_within_amount", condition=Q(amount_microusd__gte=F("cap_microusd"))
            ),
            models.CheckConstraint(
                name="window_below_ceiling",
                condition=~Q(period="day") | Q(amount_microusd__lte=CEILING_MICROUSD),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.scope} {self.get_period_display()}"

    @property
    def room(self) -> Room:
        """This window as rules see it."""
        return Room(cap=self.cap_microusd, spent=self.spent_microusd, held=self.held_microusd)

    @property
    def used_share(self) -> float:
        """How much of the cap is spent or held, from 0; above 1 only after the cap was lowered."""
        taken = self.spent_microusd + self.held_microusd
        return taken / self.cap_microusd if self.cap_microusd else float(taken > 0)
