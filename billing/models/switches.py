"""What is switched off, and how fast money goes."""

from datetime import datetime

from django.db import models
from django.db.models import Q
from django.utils import timezone

from billing.models.scopes import Scope
from core.ids import new_id


class SwitchQuerySet(models.QuerySet["Switch"]):
    """Questions about switches."""

    def open(self, now: datetime) -> "SwitchQuerySet":
        """Return what is switched off at the machine time `now`, the newest last."""
        return self.filter(Q(until=None) | Q(until__gt=now), cleared_at=None).order_by("set_at")


class Switch(models.Model):
    """One switch that was set: until it is cleared, or ends, no new call passes and open streams are cut. Source: R-08.17, R-02.17."""

    class Kind(models.TextChoices):
        """What is switched off; `throttle` lets one call at a time through."""

        GLOBAL = "global", "everything"
        TEAM = "team"
        AGENT = "agent"
        PRODUCT = "product"
        PROVIDER = "provider"
        MODEL = "model"
        THROTTLE = "throttle"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    kind = models.CharField(max_length=10, choices=Kind)
    ref = models.CharField(
        max_length=130, help_text="Which one: `factory`, a team, an agent, `provider/model`."
    )
    by = models.CharField(max_length=80)
    reason = models.CharField(max_length=300)
    is_auto = models.BooleanField(default=False, help_text="Set by code.")
    set_at = models.DateTimeField(default=timezone.now, help_text="Machine time.")
    until = models.DateTimeField(
        null=True, help_text="Machine time at which it ends by itself; None: by hand."
    )
    cleared_at = models.DateTimeField(null=True, help_text="Machine time.")
    cleared_by = models.CharField(max_length=80, blank=True)

    objects = SwitchQuerySet.as_manager()

    class Meta:
        """A hold reads what is open, a page what was."""

        verbose_name_plural = "switches"
        indexes = [
            models.Index(name="switch_open", fields=["kind", "ref"], condition=Q(cleared_at__isnull=True)),
            models.Index(name="switch_set", fields=["set_at"]),
            models.Index(name="switch_cleared", fields=["cleared_at"]),
        ]
        constraints = [
            models.CheckConstraint(
                name="who_cleared_it_is_known", condition=Q(cleared_at__isnull=True) ^ ~Q(cleared_by="")
            ),
            models.CheckConstraint(name="a_switch_has_a_reason", condition=~Q(reason="") & ~Q(by="")),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.ref}"


class Pace(models.Model):
    """What one agent, or the factory, spent within ten seconds of machine time: the ring from which velocity is read."""

    scope = models.ForeignKey(Scope, on_delete=models.PROTECT, related_name="paces", db_index=False)
    slot = models.BigIntegerField(help_text="Which ten seconds since 1970.")
    amount_microusd = models.BigIntegerField()

    class Meta:
        """One sum per slot."""

        constraints = [models.UniqueConstraint(name="one_pace_per_slot", fields=["scope", "slot"])]

    def __str__(self) -> str:
        return f"{self.scope} in slot {self.slot}"
