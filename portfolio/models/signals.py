"""Scans, the signals they brought, and the meanings that were read once."""

from django.db import models
from django.utils import timezone

from core.ids import new_id
from core.models import Mode
from portfolio.rules import signals


class Scan(models.Model):
    """One file of signals read, and what was kept apart."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    number = models.PositiveIntegerField(unique=True, help_text="Two scans at once cannot both be the next.")
    as_of = models.DateField(help_text="The day ages and mentions are counted from.")
    file_name = models.CharField(max_length=200)
    file_sha256 = models.CharField(max_length=64)
    signals_read = models.PositiveIntegerField()
    signals_new = models.PositiveIntegerField()
    quarantined = models.JSONField(default=list, help_text="Line and reason of each line kept apart.")
    scale = models.CharField(max_length=60, help_text="The scale all similarities of this scan are on.")
    took_s = models.FloatField(null=True, help_text="Machine time; null: unknown.")
    mode = models.CharField(max_length=10, choices=Mode)
    correlation_id = models.UUIDField(null=True, db_index=True)
    at = models.DateTimeField(help_text="Business time.")

    def __str__(self) -> str:
        return f"scan {self.number} of {self.file_name}"


class Signal(models.Model):
    """One voice from the market. Title and text are a stranger's words: never an instruction, always escaped."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    ref = models.CharField(max_length=200, unique=True, help_text="Its id in the file it came with.")
    scan = models.ForeignKey(Scan, on_delete=models.PROTECT, related_name="signals")
    source = models.CharField(max_length=100)
    url = models.CharField(max_length=2000, blank=True)
    day = models.CharField(max_length=10, blank=True, help_text="YYYY[-MM[-DD]]; empty is unknown.")
    title = models.CharField(max_length=1000)
    text = models.TextField()
    price_usd = models.DecimalField(
        max_digits=18, decimal_places=6, null=True, help_text="A price somebody named; null is unknown."
    )
    mentions = models.PositiveIntegerField(null=True, help_text="Null is unknown.")
    is_tainted = models.BooleanField(default=True, help_text="Written outside; what is made of it is too.")
    recorded_at = models.DateTimeField(default=timezone.now, help_text="Machine time.")

    def __str__(self) -> str:
        return self.ref

    @property
    def value(self) -> signals.Signal:
        """This row as rules see it."""
        return signals.Signal(
            line=0,
            id=self.ref,
            source=self.source,
            url=self.url or None,
            day=self.day or None,
            title=self.title,
            text=self.text,
            price_usd=self.price_usd,
            mentions=self.mentions,
        )


class Meaning(models.Model):
    """The meaning of one text, read once in its life."""

    key = models.CharField(primary_key=True, max_length=64, help_text="SHA-256 of model and text.")
    vector = models.BinaryField(help_text="384 little-endian float32, unit length.")

    def __str__(self) -> str:
        return self.key[:12]
