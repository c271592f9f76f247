"""What the owner was told of money."""

from datetime import datetime

from django.db import models

from billing.models.scopes import Scope
from core.ids import new_id


class MoneyAlertQuerySet(models.QuerySet["MoneyAlert"]):
    """Questions about alerts."""

    def since(self, moment: datetime) -> "MoneyAlertQuerySet":
        """Return what was told after the business time `moment`, the newest first."""
        return self.filter(at__gt=moment).select_related("scope").order_by("-at", "-pk")

    def grave(self) -> "MoneyAlertQuerySet":
        """Return what is more than a remark."""
        return self.exclude(level=MoneyAlert.Level.INFO)


class MoneyAlert(models.Model):
    """One line that money passed, told once for each period. Source: R-08.3, R-08.4."""

    class Level(models.TextChoices):
        """How much it matters."""

        INFO = "info"
        WARNING = "warning"
        CRITICAL = "critical"

    class Rule(models.TextChoices):
        """What was passed."""

        DAY = "day", "a share of a day's limit"
        MONTH = "month", "a share of a month's limit"
        LIFE = "life", "a share of a limit in all"
        FACTORY_DAY = "factory_day", "an amount of the whole factory in a day"
        FORECAST = "forecast", "an amount to which a month is heading"
        AGENT_PACE = "agent_pace", "an agent's usual pace"
        FACTORY_HOUR = "factory_hour", "the hour before"
        AGENT_DAY = "agent_day", "an agent's usual day"
        CHEAP = "cheap", "the least share of cheap models"
        TOP = "top", "the greatest share of top models"
        CACHE = "cache", "the least share of a prompt that a cache should give"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    scope = models.ForeignKey(Scope, on_delete=models.PROTECT, related_name="money_alerts")
    rule = models.CharField(max_length=12, choices=Rule)
    line = models.PositiveIntegerField(help_text="Percent or dollars, as the rule counts; 0: it has none.")
    starts_at = models.DateTimeField(help_text="Business time: first instant of the period it was told for.")
    level = models.CharField(max_length=8, choices=Level)
    amount_microusd = models.BigIntegerField(help_text="What it came to; of shares of calls: percent.")
    limit_microusd = models.BigIntegerField(help_text="What it was measured by; of shares of calls: percent.")
    at = models.DateTimeField(db_index=True, help_text="Business time.")

    objects = MoneyAlertQuerySet.as_manager()

    class Meta:
        """Once for each period, whoever looks."""

        constraints = [
            models.UniqueConstraint(
                name="one_alert_per_period", fields=["scope", "rule", "line", "starts_at"]
            )
        ]

    def __str__(self) -> str:
        return f"{self.scope}: {self.get_rule_display()}"
