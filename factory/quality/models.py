"""Verdicts: what every gate measured of one artifact, and what its author has to mend."""

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from agents.roster.models import Agent
from approvals.models import Decision
from core.ids import new_id
from factory.quality.rules.evidence import Severity
from factory.work.models import Artifact, Task
from portfolio.models import Product


class VerdictQuerySet(models.QuerySet["Verdict"]):
    """Questions about verdicts."""

    def of(self, product: Product) -> "VerdictQuerySet":
        """Return the verdicts on one product, newest first."""
        return self.filter(product=product).order_by("-at", "-id")


class Verdict(models.Model):
    """The ruling on one artifact, computed by code from evidence; never changed."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    artifact = models.ForeignKey(Artifact, on_delete=models.PROTECT, related_name="verdicts")
    digest = models.CharField(max_length=64, help_text="SHA-256 of the artifact that was measured.")
    product = models.ForeignKey(Product, on_delete=models.PROTECT, related_name="verdicts")
    reviewer = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="verdicts_given")
    author = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="verdicts_taken")
    shared_provider = models.CharField(
        max_length=40, blank=True, help_text="Whose models both used; empty: none."
    )
    waiver = models.ForeignKey(
        Decision, on_delete=models.PROTECT, null=True, blank=True, related_name="waived_verdicts"
    )
    passed = models.BooleanField()
    reasons = models.JSONField(default=list, help_text="Why not.")
    promises = models.JSONField(default=dict, help_text="Whether each criterion held, by its id.")
    added = models.JSONField(default=list, help_text="Criteria that the reviewer added.")
    notes = models.JSONField(default=list, help_text="The reviewer's second opinion.")
    task = models.OneToOneField(
        Task,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        help_text="The test that asked for it, and gets one.",
    )
    at = models.DateTimeField(default=timezone.now, help_text="Machine time.")

    objects = VerdictQuerySet.as_manager()

    class Meta:
        """Nobody judges their own work, nor a provider its own models without the owner's word."""

        constraints = [
            models.CheckConstraint(name="reviewer_is_not_author", condition=~Q(reviewer=F("author"))),
            models.CheckConstraint(
                name="other_provider_or_waiver", condition=Q(shared_provider="") | Q(waiver__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.product}: {'passed' if self.passed else 'failed'}"


class GateResult(models.Model):
    """What one gate measured."""

    verdict = models.ForeignKey(Verdict, on_delete=models.CASCADE, related_name="results")
    gate = models.CharField(max_length=20)
    passed = models.BooleanField(null=True, help_text="Null: could not be measured, which is a no.")
    summary = models.TextField()
    numbers = models.JSONField(default=dict)

    class Meta:
        """Each gate speaks once."""

        constraints = [models.UniqueConstraint(name="one_result_per_gate", fields=["verdict", "gate"])]

    def __str__(self) -> str:
        return f"{self.gate}: {self.summary}"


class FindingQuerySet(models.QuerySet["Finding"]):
    """Questions about findings."""

    def of(self, product: Product) -> "FindingQuerySet":
        """Return everything ever found in one product, oldest first."""
        return self.filter(verdict__product=product).order_by("verdict__at", "id")

    def blocking(self) -> "FindingQuerySet":
        """Return what must be mended."""
        return self.exclude(severity=Severity.LOW)


class Finding(models.Model):
    """One thing that is wrong, and the file and line that code found for it."""

    verdict = models.ForeignKey(Verdict, on_delete=models.CASCADE, related_name="findings")
    gate = models.CharField(max_length=20)
    severity = models.CharField(max_length=6, choices=[(one.value, one.value) for one in Severity])
    text = models.TextField()
    file = models.CharField(max_length=300, blank=True)
    line = models.PositiveIntegerField(default=0, help_text="0: not known.")
    method = models.CharField(max_length=6, blank=True)
    path = models.CharField(max_length=300, blank=True)
    expected = models.PositiveSmallIntegerField(null=True)
    seen = models.PositiveSmallIntegerField(null=True, help_text="0: no answer came.")
    criterion = models.JSONField(null=True, help_text="The promise that is broken.")
    is_hidden = models.BooleanField(default=False, help_text="Its author never sees the promise's steps.")
    is_fixed = models.BooleanField(default=False, help_text="A later verdict did not find it again.")

    objects = FindingQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.text}"
