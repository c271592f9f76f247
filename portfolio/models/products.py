"""Products and how far each came."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from billing.models import Scope
from core.ids import new_id
from core.models import Mode
from portfolio.models.opportunities import Opportunity


class ProductQuerySet(models.QuerySet["Product"]):
    """Questions about products."""

    def launched(self) -> "ProductQuerySet":
        """Return the products that strangers can use."""
        return self.filter(state=Product.State.LAUNCHED)


class Product(models.Model):
    """One product: an experiment with its own money and its own story."""

    class Stage(models.TextChoices):
        """Where on the path it is."""

        SCAN = "scan"
        VALIDATE = "validate"
        BUILD = "build"
        LAUNCH = "launch"
        GROW = "grow"

    class State(models.TextChoices):
        """Its life. Source: R-10.17."""

        BUILDING = "building"
        LAUNCHED = "launched"
        FROZEN = "frozen"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    slug = models.SlugField(max_length=40, unique=True)
    name = models.CharField(max_length=80)
    opportunity = models.OneToOneField(
        Opportunity,
        null=True,
        on_delete=models.PROTECT,
        related_name="product",
        help_text="Null: a reference product.",
    )
    scope = models.OneToOneField(Scope, on_delete=models.PROTECT, related_name="product")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="products"
    )
    blueprint = models.JSONField(default=dict, help_text="What the owner approved; empty before.")
    stage = models.CharField(max_length=10, choices=Stage, default=Stage.BUILD)
    state = models.CharField(max_length=10, choices=State, default=State.BUILDING)
    url = models.CharField(max_length=300, blank=True, help_text="Where people find it; empty before launch.")
    mode = models.CharField(max_length=10, choices=Mode)
    correlation_id = models.UUIDField(db_index=True)
    opened_at = models.DateTimeField(help_text="Business time.")
    launched_at = models.DateTimeField(null=True, help_text="Business time of the first launch.")
    created_at = models.DateTimeField(default=timezone.now, help_text="Machine time.")

    objects = ProductQuerySet.as_manager()

    class Meta:
        """A launched product knows since when."""

        constraints = [
            models.CheckConstraint(
                name="launched_since", condition=~Q(state="launched") | Q(launched_at__isnull=False)
            )
        ]

    def __str__(self) -> str:
        return self.name


class StageChange(models.Model):
    """One step of a product: from where, to where, why, and what the rule saw."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="changes")
    old = models.CharField(max_length=10, blank=True, help_text="Stage or state; empty: it was opened.")
    new = models.CharField(max_length=10)
    reason = models.CharField(max_length=300)
    facts = models.JSONField(default=dict)
    correlation_id = models.UUIDField(null=True, db_index=True)
    at = models.DateTimeField(help_text="Business time.")

    class Meta:
        """As it happened."""

        ordering = ["at", "id"]

    def __str__(self) -> str:
        return f"{self.product}: {self.old} to {self.new}"
