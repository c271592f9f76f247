"""What the market might pay for, the signals that say so, and how it was tested."""

from typing import Any

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from core.ids import new_id
from core.models import Mode
from portfolio.models.signals import Scan, Signal
from portfolio.rules.lifecycle import JUDGED_BY_SCANS
from portfolio.rules.opportunity import PASSING_POINTS


class OpportunityQuerySet(models.QuerySet["Opportunity"]):
    """Questions about opportunities."""

    def standing(self) -> "OpportunityQuerySet":
        """Return those that were not merged into an older one, as the last scan lists them."""
        return self.filter(merged_into=None).order_by("rank", "name")

    def to_validate(self) -> "OpportunityQuerySet":
        """Return those whose score asks for a test, the best first."""
        ready = self.standing().filter(state=Opportunity.State.SCORED, points__gte=PASSING_POINTS)
        return ready.order_by("-points", "rank", "name")


class Opportunity(models.Model):
    """One need of the market; title and problem are strangers' words."""

    class State(models.TextChoices):
        """How far it came. Source: R-10.2."""

        FOUND = "found"
        THIN = "thin", "too little is known"
        EXCLUDED = "excluded", "excluded by rule"
        DUPLICATE = "duplicate", "repeats an older one"
        SCORED = "scored"
        VALIDATING = "validating", "being tested"
        PASSED = "passed", "passed its test"
        FAILED = "failed", "failed its test"
        APPROVED = "approved"
        DECLINED = "declined"

    class Origin(models.TextChoices):
        """Who had the idea."""

        SIGNALS = "signals", "the market"
        OWNER = "owner"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(
        max_length=40, unique=True, help_text="Stays while most of its signals stay together."
    )
    origin = models.CharField(max_length=10, choices=Origin, default=Origin.SIGNALS)
    scan = models.ForeignKey(
        Scan, null=True, on_delete=models.PROTECT, help_text="The scan that last saw it."
    )
    rank = models.PositiveIntegerField(default=0, help_text="Its place in the list of its last scan.")
    title = models.CharField(max_length=1000)
    problem = models.TextField()
    words = models.TextField(blank=True, help_text="The owner's own words; empty: the market's idea.")
    category = models.CharField(max_length=20)
    state = models.CharField(max_length=12, choices=State, default=State.FOUND, db_index=True)
    reason = models.TextField(blank=True)
    looks = models.JSONField(default=list, help_text="What the owner should look at.")
    points = models.FloatField(null=True, help_text="0 to 100; null: not scored.")
    low = models.FloatField(null=True, help_text="Points with all unknown parts at 0.")
    high = models.FloatField(null=True, help_text="Points with all unknown parts at 1.")
    known_weight = models.FloatField(null=True, help_text="Share of the weight that is known.")
    parts = models.JSONField(default=list, help_text="Name, weight, value and how it was found.")
    centre = models.TextField(help_text="The middle of its evidence, as the chart packs it.")
    scale = models.CharField(max_length=60, help_text="The scale of `centre` and of its likeness to others.")
    original = models.ForeignKey(
        "self", null=True, on_delete=models.PROTECT, related_name="repeats", help_text="What it repeats."
    )
    merged_into = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="absorbed")
    mode = models.CharField(max_length=10, choices=Mode)
    correlation_id = models.UUIDField(default=new_id, db_index=True)
    created_at = models.DateTimeField(default=timezone.now, help_text="Machine time.")

    objects = OpportunityQuerySet.as_manager()

    class Meta:
        """What is scored has points, what repeats says what."""

        verbose_name_plural = "opportunities"
        constraints = [
            models.CheckConstraint(
                name="scored_has_points", condition=~Q(state="scored") | Q(points__isnull=False)
            ),
            models.CheckConstraint(
                name="points_within_range",
                condition=Q(points=None)
                | Q(points__gte=0, points__lte=100, low__gte=0, high__lte=100, high__gte=F("low")),
            ),
            models.CheckConstraint(
                name="duplicate_has_original", condition=~Q(state="duplicate") | Q(original__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def is_lasting(self) -> bool:
        """Whether it stands even when no signal is left to it: an owner's idea, or one whose test has begun."""
        return self.origin == self.Origin.OWNER or self.state not in JUDGED_BY_SCANS

    def as_report(self) -> dict[str, Any]:
        """Give it as a scan lists it; `evidence` and their signals should be prefetched."""
        evidence = [row.as_report() for row in self.evidence.all()]
        return {
            "id": self.name,
            "title": self.title,
            "problem": self.problem,
            "category": self.category,
            "state": self.state,
            "reason": self.reason,
            "looks": self.looks,
            "score": self.points,
            "low": self.low,
            "high": self.high,
            "known_weight": self.known_weight,
            "parts": self.parts,
            "signal_ids": [row["signal_id"] for row in evidence],
            "evidence": evidence,
            "original": self.original.name if self.original else None,
        }


class Evidence(models.Model):
    """Why a signal is in an opportunity: how like the rest it is, and whom it is most like."""

    opportunity = models.ForeignKey(Opportunity, on_delete=models.CASCADE, related_name="evidence")
    signal = models.OneToOneField(Signal, on_delete=models.PROTECT, related_name="evidence")
    place = models.PositiveIntegerField(help_text="Its place in canonical order.")
    similarity = models.FloatField(help_text="Mean similarity to the rest of the group.")
    counts = models.BooleanField(help_text="Like enough to be evidence.")
    nearest = models.JSONField(
        default=list, help_text="Up to three members it is most like: id and similarity."
    )

    class Meta:
        """In canonical order."""

        ordering = ["place"]
        verbose_name_plural = "evidence"

    def __str__(self) -> str:
        return f"{self.signal} for {self.opportunity}"

    def as_report(self) -> dict[str, Any]:
        """Give it as a scan lists it."""
        return {
            "signal_id": self.signal.ref,
            "similarity": self.similarity,
            "counts": self.counts,
            "nearest": self.nearest,
        }


class ValidationTest(models.Model):
    """One test of an opportunity on strangers, counted and decided by rule."""

    class Outcome(models.TextChoices):
        """How it ended."""

        PASSED = "passed"
        FAILED = "failed"
        UNCLEAR = "unclear", "the owner decides"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    opportunity = models.ForeignKey(Opportunity, on_delete=models.PROTECT, related_name="tests")
    desk = models.JSONField(help_text="Questions of the desk check and what is known.")
    traffic_sha256 = models.CharField(max_length=64)
    label = models.TextField(help_text="What the traffic is, shown beside every number taken from it.")
    is_recorded = models.BooleanField(help_text="Not gathered by a test of this factory.")
    counts = models.JSONField()
    suspected = models.JSONField(help_text="What was not counted, and why.")
    gates = models.JSONField(help_text="Each way to pass, and what was seen.")
    outcome = models.CharField(max_length=8, choices=Outcome)
    reason = models.TextField()
    spent_microusd = models.BigIntegerField(default=0)
    correlation_id = models.UUIDField(null=True, db_index=True)
    at = models.DateTimeField(help_text="Business time.")

    class Meta:
        """The same traffic decides once."""

        constraints = [
            models.UniqueConstraint(name="one_test_per_traffic", fields=["opportunity", "traffic_sha256"]),
            models.CheckConstraint(name="test_spent_not_negative", condition=Q(spent_microusd__gte=0)),
        ]

    def __str__(self) -> str:
        return f"test of {self.opportunity}: {self.outcome}"
