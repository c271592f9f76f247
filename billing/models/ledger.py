"""What was spent and what came in: rows are added, never changed; a correction is one more row."""

from datetime import date, datetime
from uuid import UUID

from django.db import models
from django.db.models import Sum

from billing.models.scopes import Scope
from core.ids import new_id
from core.models import Mode


class EntryQuerySet(models.QuerySet["Entry"]):
    """Questions about costs."""

    def between(self, start: datetime, end: datetime) -> "EntryQuerySet":
        """Return the entries of business time from `start` to before `end`."""
        return self.filter(at__gte=start, at__lt=end)

    def of_story(self, correlation_id: UUID) -> "EntryQuerySet":
        """Return the entries of one story, from first signal to last cent."""
        return self.filter(correlation_id=correlation_id)

    def lost(self) -> "EntryQuerySet":
        """Return what was booked at its bound because nobody knows the real cost, and corrections of that."""
        return self.filter(is_lost=True)

    def total_microusd(self) -> int:
        """Return the sum of these costs."""
        return self.aggregate(total=Sum("amount_microusd"))["total"] or 0


class Entry(models.Model):
    """One cost, booked once; the database refuses to change or delete a row."""

    class Kind(models.TextChoices):
        """What was paid for; what a processor keeps of a payment is a negative revenue event. Source: R-18.4, R-08.5, R-08.23."""

        MODEL_CALL = "model_call", "model"
        ELECTRICITY = "electricity"
        HARDWARE = "hardware", "hardware share"
        HOSTING = "hosting"
        DOMAIN = "domain"
        DATABASE = "database"
        MAIL = "mail"
        TOOLS = "tools"
        SUBSCRIPTION = "subscription"
        MARKETING = "marketing"
        PROCESSOR_FEE = "processor_fee", "processor fee"
        VALIDATION = "validation"
        BROWSER = "browser", "browser minutes"
        OTHER = "other"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    scope = models.ForeignKey(Scope, on_delete=models.PROTECT, related_name="entries", db_index=False)
    kind = models.CharField(max_length=20, choices=Kind)
    ref = models.CharField(max_length=120, unique=True, help_text="What was paid, so that it is booked once.")
    amount_microusd = models.BigIntegerField(help_text="Cost; negative when it corrects an earlier one.")
    is_lost = models.BooleanField(default=False, help_text="Booked at the bound: the real cost is unknown.")
    at = models.DateTimeField(help_text="Business time.")
    call_id = models.UUIDField(null=True, db_index=True)
    agent = models.CharField(max_length=40, blank=True)
    correlation_id = models.UUIDField(null=True)
    mode = models.CharField(max_length=10, choices=Mode)
    facts = models.JSONField(default=dict)
    original_minor = models.BigIntegerField(
        null=True, help_text="As the bill said it, in cents of its currency; None: it was in dollars."
    )
    currency = models.CharField(max_length=3, blank=True, db_default="", default="")
    rate = models.DecimalField(max_digits=18, decimal_places=9, null=True, help_text="Dollars for one unit.")
    rate_on = models.DateField(null=True, help_text="Day of the rate.")

    objects = EntryQuerySet.as_manager()

    class Meta:
        """Every filter of the ledger reads its newest rows from an index of its own; a foreign bill says its rate."""

        verbose_name_plural = "entries"
        constraints = [
            models.CheckConstraint(
                name="foreign_bill_has_a_rate",
                condition=models.Q(original_minor=None, currency="", rate=None, rate_on=None)
                | models.Q(original_minor__isnull=False, currency__gt="", rate__gt=0, rate_on__isnull=False),
            )
        ]
        indexes = [
            models.Index(name="entry_at", fields=["at", "id"]),
            models.Index(name="entry_of_scope", fields=["scope", "at", "id"]),
            models.Index(name="entry_of_agent", fields=["agent", "at", "id"]),
            models.Index(name="entry_of_story", fields=["correlation_id", "at", "id"]),
            models.Index(name="entry_of_kind", fields=["kind", "at", "id"]),
            models.Index(name="entry_lost", fields=["at", "id"], condition=models.Q(is_lost=True)),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.ref}"

    @property
    def item(self) -> str:
        """What was bought: the model that was asked for a call, else nothing more than its kind."""
        return str(self.facts.get("asked", ""))[:80]


class CostHourQuerySet(models.QuerySet["CostHour"]):
    """Questions about costs that need no single entry."""

    def between(self, first: date, last: date) -> "CostHourQuerySet":
        """Return the hours of the UTC days from `first` to `last`, both included."""
        return self.filter(day__gte=first, day__lte=last)

    def total_microusd(self) -> int:
        """Return the sum of these costs."""
        return self.aggregate(total=Sum("amount_microusd"))["total"] or 0


class CostHour(models.Model):
    """What the ledger of one UTC hour adds up to for one address; written in the entry's own transaction.

    A lost call that was corrected has three entries and counts once in `entries`: in the hour of its real cost.
    """

    day = models.DateField(help_text="UTC day of the entries' business time.")
    hour = models.PositiveSmallIntegerField(help_text="0 to 23, UTC.")
    scope = models.ForeignKey(Scope, on_delete=models.PROTECT, related_name="cost_hours", db_index=False)
    kind = models.CharField(max_length=20, choices=Entry.Kind)
    agent = models.CharField(max_length=40, blank=True)
    item = models.CharField(max_length=80, blank=True, help_text="The model that was asked, for calls.")
    correlation_id = models.UUIDField(null=True)
    amount_microusd = models.BigIntegerField(default=0)
    entries = models.PositiveIntegerField(default=0)

    objects = CostHourQuerySet.as_manager()

    class Meta:
        """One sum per hour and address, also where there is no story."""

        constraints = [
            models.UniqueConstraint(
                name="one_sum_per_hour",
                fields=["day", "hour", "scope", "kind", "agent", "item", "correlation_id"],
                condition=models.Q(correlation_id__isnull=False),
            ),
            models.UniqueConstraint(
                name="one_sum_per_hour_without_story",
                fields=["day", "hour", "scope", "kind", "agent", "item"],
                condition=models.Q(correlation_id__isnull=True),
            ),
        ]
        indexes = [
            models.Index(name="cost_hour_day", fields=["day", "hour"]),
            models.Index(name="cost_hour_of_scope", fields=["scope", "day"]),
            models.Index(name="cost_hour_of_story", fields=["correlation_id", "scope", "day"]),
        ]

    def __str__(self) -> str:
        return f"{self.scope} on {self.day} at {self.hour}"


class Overage(models.Model):
    """What a bill said above what was authorised; a person looks at every one. Source: U-5a."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    call_id = models.UUIDField(unique=True)
    scope = models.ForeignKey(Scope, on_delete=models.PROTECT, related_name="overages")
    bound_microusd = models.BigIntegerField()
    excess_microusd = models.BigIntegerField()
    at = models.DateTimeField(help_text="Business time.")
    facts = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"overage of call {self.call_id}"


class RevenueQuerySet(models.QuerySet["RevenueEvent"]):
    """Questions about revenue."""

    def between(self, start: datetime, end: datetime) -> "RevenueQuerySet":
        """Return the events of business time from `start` to before `end`."""
        return self.filter(at__gte=start, at__lt=end)

    def unplaced(self) -> "RevenueQuerySet":
        """Return the money that belongs to no product we know: each one is for the owner. Source: U-26."""
        return self.filter(scope__kind=Scope.Kind.FACTORY)

    def total_microusd(self) -> int:
        """Return what these events add to profit."""
        return self.aggregate(total=Sum("amount_microusd"))["total"] or 0


class RevenueEvent(models.Model):
    """One thing a payment processor told us, kept once. Source: R-10.24."""

    class Kind(models.TextChoices):
        """What happened; refunds, disputes and fees are negative."""

        PAYMENT = "payment"
        REFUND = "refund"
        DISPUTE = "dispute"
        FEE = "fee"
        AFFILIATE = "affiliate"
        ADS = "ads"
        UNKNOWN = "unknown", "not understood yet"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    scope = models.ForeignKey(Scope, on_delete=models.PROTECT, related_name="revenue")
    provider = models.CharField(max_length=40)
    provider_event_id = models.CharField(max_length=120)
    kind = models.CharField(max_length=10, choices=Kind)
    amount_minor = models.BigIntegerField(help_text="As the processor said it: cents, never negative.")
    currency = models.CharField(max_length=10)
    amount_microusd = models.BigIntegerField(help_text="What it adds to profit.")
    at = models.DateTimeField(db_index=True, help_text="Business time.")
    correlation_id = models.UUIDField(null=True, db_index=True)
    mode = models.CharField(max_length=10, choices=Mode)
    facts = models.JSONField(default=dict)

    objects = RevenueQuerySet.as_manager()

    class Meta:
        """A repeated message is one row."""

        constraints = [
            models.UniqueConstraint(name="one_row_per_event", fields=["provider", "provider_event_id"]),
            models.CheckConstraint(
                name="revenue_minor_not_negative", condition=models.Q(amount_minor__gte=0)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.provider_event_id}"
