"""REST doors of the portfolio: signals, what they are evidence of, and products."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from core.api.callers import KEEPERS, OWNERS, Caller
from core.api.reading import Reason
from core.api.routes import Doors
from core.api.rows import Row, Rows, verb
from portfolio.models import Evidence, Opportunity, Product, Scan, Signal, StageChange, ValidationTest
from portfolio.services import freeze_product, thaw_product

Told = Mapping[str, Any]


class ScanOut(Row[Scan]):
    """One file of signals read."""

    class Meta:
        """What is shown."""

        model = Scan
        fields = (
            "id", "number", "as_of", "file_name", "file_sha256", "signals_read", "signals_new", "quarantined", "scale",
            "took_s", "mode", "correlation_id", "at",
        )  # fmt: skip


class ScanDoor(Rows):
    """Files of signals that were read."""

    serializer_class = ScanOut
    queryset = Scan.objects.all()


class SignalOut(Row[Signal]):
    """One voice from the market; title and text are a stranger's words."""

    class Meta:
        """What is shown."""

        model = Signal
        fields = (
            "id", "ref", "scan", "source", "url", "day", "title", "text", "price_usd", "mentions", "is_tainted", "recorded_at",
        )  # fmt: skip


class SignalDoor(Rows):
    """Voices from the market."""

    serializer_class = SignalOut
    queryset = Signal.objects.all()
    filterset_fields = ("scan", "source", "ref")


class EvidenceOut(Row[Evidence]):
    """Why a signal is in an opportunity."""

    signal = serializers.CharField(source="signal.ref")

    class Meta:
        """What is shown."""

        model = Evidence
        fields = ("signal", "place", "similarity", "counts", "nearest")


class TestOut(Row[ValidationTest]):
    """One test of an opportunity on strangers."""

    class Meta:
        """What is shown."""

        model = ValidationTest
        fields = (
            "id", "desk", "label", "is_recorded", "counts", "suspected", "gates", "outcome", "reason", "spent_microusd", "at",
        )  # fmt: skip


class OpportunityOut(Row[Opportunity]):
    """What the market might pay for: its score with its parts, from `low` (unknown = 0) to `high` (unknown = 1)."""

    original = serializers.CharField(source="original.name", allow_null=True, default=None)
    evidence = EvidenceOut(many=True)
    tests = TestOut(many=True)

    class Meta:
        """What is shown."""

        model = Opportunity
        fields = (
            "id", "name", "origin", "scan", "rank", "title", "problem", "words", "category", "state", "reason", "looks", "points",
            "low", "high", "known_weight", "parts", "original", "evidence", "tests", "mode", "correlation_id", "created_at",
        )  # fmt: skip


class OpportunityDoor(Rows):
    """What the market might pay for, with its evidence."""

    serializer_class = OpportunityOut
    queryset = Opportunity.objects.select_related("original").prefetch_related("evidence__signal", "tests")
    filterset_fields = ("state", "origin", "category", "scan")
    lookup_field = "name"
    lookup_value_converter = "str"


class StageChangeOut(Row[StageChange]):
    """One step of a product."""

    class Meta:
        """What is shown."""

        model = StageChange
        fields = ("id", "old", "new", "reason", "facts", "at")


class ProductOut(Row[Product]):
    """One product and how it came here."""

    opportunity = serializers.CharField(source="opportunity.name", allow_null=True, default=None)
    changes = StageChangeOut(many=True)

    class Meta:
        """What is shown."""

        model = Product
        fields = (
            "id", "slug", "name", "opportunity", "scope", "blueprint", "stage", "state", "url", "mode", "correlation_id",
            "opened_at", "launched_at", "created_at", "changes",
        )  # fmt: skip


class ProductDoor(Rows):
    """Products, each an experiment with its own money."""

    serializer_class = ProductOut
    queryset = Product.objects.select_related("opportunity").prefetch_related("changes")
    filterset_fields = ("stage", "state", "correlation_id")
    lookup_field = "slug"
    lookup_value_converter = "slug"

    @verb(may=KEEPERS, takes=Reason, gives=ProductOut)
    def pause(self, caller: Caller, said: Told, slug: str) -> Product:
        """Freeze its money and new work; what is live goes on serving."""
        product: Product = self.get_object()
        freeze_product(product, reason=_reason(caller, said), by=caller.name)
        return product

    @verb(may=OWNERS, takes=Reason, gives=ProductOut)
    def resume(self, caller: Caller, said: Told, slug: str) -> Product:
        """Let it go on from where it was."""
        product: Product = self.get_object()
        thaw_product(product, reason=_reason(caller, said), by=caller.name)
        return product


def _reason(caller: Caller, said: Told) -> str:
    """Return why, and whose wish it was: the row of the change says both."""
    return f"{caller.name}: {said['reason']}" if said["reason"] else caller.name


DOORS: Doors = {
    "scans": ScanDoor,
    "signals": SignalDoor,
    "opportunities": OpportunityDoor,
    "products": ProductDoor,
}
