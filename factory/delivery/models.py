"""Releases, and the place each product is served at."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from approvals.models import Decision
from core.ids import new_id
from factory.delivery import rules
from factory.quality.models import Verdict
from factory.work.models import Artifact
from portfolio.models import Product


class Place(models.Model):
    """Where a product is served; its ports are its own for life."""

    product = models.OneToOneField(Product, on_delete=models.PROTECT, related_name="place")
    port = models.PositiveIntegerField(unique=True)
    preview_port = models.PositiveIntegerField(unique=True)

    def __str__(self) -> str:
        return f"{self.product} at {self.port}"


class EdgeOrder(models.Model):
    """Number of the table that the rows ask for: it grows in every transaction that changes what has to run."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    generation = models.PositiveBigIntegerField(default=0)

    class Meta:
        """One row."""

        constraints = [models.CheckConstraint(name="one_edge_order", condition=Q(id=1))]

    def __str__(self) -> str:
        return f"table {self.generation}"


class ReleaseQuerySet(models.QuerySet["Release"]):
    """Questions about releases."""

    def live(self) -> "ReleaseQuerySet":
        """Return what users meet."""
        return self.filter(state=Release.State.LIVE)

    def down(self) -> "ReleaseQuerySet":
        """Return what users should meet and do not."""
        return self.live().filter(red_probes__gte=rules.RED_PROBES)

    def coming(self) -> "ReleaseQuerySet":
        """Return what is being tried or switched to."""
        return self.filter(state__in=rules.COMING)

    def running(self) -> "ReleaseQuerySet":
        """Return what the edge has to run, by product."""
        return self.filter(state__in=rules.RUNS).order_by("product", "version")

    def to_go_back_to(self) -> "ReleaseQuerySet":
        """Return what users met before, the last first; what was taken back is never among it."""
        return self.filter(state__in=[Release.State.STANDBY, Release.State.RETIRED]).order_by("-live_at")

    def of(self, product: Product) -> "ReleaseQuerySet":
        """Return the releases of one product, newest first."""
        return self.filter(product=product).order_by("-version")


class Release(models.Model):
    """One artifact on its way to users."""

    class State(models.TextChoices):
        """From the question to the users, and back."""

        ASKED = "asked"
        APPROVED = "approved"
        TRYING = "trying"
        SWITCHING = "switching"
        LIVE = "live"
        STANDBY = "standby"
        REFUSED = "refused"
        ROLLED_BACK = "rolled_back"
        RETIRED = "retired"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="releases")
    artifact = models.ForeignKey(Artifact, on_delete=models.PROTECT, related_name="releases")
    verdict = models.ForeignKey(Verdict, on_delete=models.PROTECT, related_name="releases")
    decision = models.ForeignKey(Decision, on_delete=models.PROTECT, null=True, related_name="releases")
    version = models.PositiveIntegerField()
    digest = models.CharField(max_length=64, help_text="SHA-256 of the artifact.")
    state = models.CharField(max_length=12, choices=State, default=State.ASKED)
    why = models.TextField(blank=True, help_text="Why it stands where it stands, in words.")
    red_probes = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now, help_text="Machine time.")
    trial_fetch = models.CharField(
        max_length=80, blank=True, help_text="The one address its trial may fetch."
    )
    live_at = models.DateTimeField(null=True, help_text="Business time.")
    trusted_at = models.DateTimeField(
        null=True, help_text="Business time; until then the one before stands by."
    )
    ended_at = models.DateTimeField(null=True, help_text="Business time.")

    objects = ReleaseQuerySet.as_manager()

    class Meta:
        """Of a product one release is live, one stands by, one is on its way; users meet only what was approved."""

        constraints = [
            models.UniqueConstraint(name="one_live_release", fields=["product"], condition=Q(state="live")),
            models.UniqueConstraint(
                name="one_release_stands_by", fields=["product"], condition=Q(state="standby")
            ),
            models.UniqueConstraint(
                name="one_release_on_its_way",
                fields=["product"],
                condition=Q(state__in=sorted(rules.COMING)),
            ),
            models.UniqueConstraint(name="one_number_a_release", fields=["product", "version"]),
            models.UniqueConstraint(name="one_release_an_artifact", fields=["artifact"]),
            models.CheckConstraint(
                name="users_meet_only_what_was_approved",
                condition=Q(decision__isnull=False) | Q(state__in=["asked", "refused"]),
            ),
            models.CheckConstraint(
                name="who_met_users_says_when",
                condition=Q(live_at__isnull=False) | ~Q(state__in=sorted(rules.WAS_LIVE)),
            ),
            models.CheckConstraint(name="release_state_is_known", condition=Q(state__in=sorted(rules.MOVES))),
        ]

    def __str__(self) -> str:
        return f"{self.product} {self.version}"
