"""REST doors of quality: what was measured, and what was found."""

from rest_framework import serializers

from core.api.routes import Doors
from core.api.rows import Row, Rows
from factory.quality.models import Finding, GateResult, Verdict


class GateOut(Row[GateResult]):
    """What one gate measured; `passed` null: it could not, which is a no."""

    class Meta:
        """What is shown."""

        model = GateResult
        fields = ("gate", "passed", "summary", "numbers")


class FindingOut(Row[Finding]):
    """One thing that is wrong, with file and line."""

    class Meta:
        """What is shown."""

        model = Finding
        fields = (
            "gate", "severity", "text", "file", "line", "method", "path", "expected", "seen", "criterion", "is_hidden", "is_fixed",
        )  # fmt: skip


class VerdictOut(Row[Verdict]):
    """The ruling on one artifact, computed from evidence."""

    product = serializers.CharField(source="product.slug")
    reviewer = serializers.CharField(source="reviewer.name")
    author = serializers.CharField(source="author.name")
    results = GateOut(many=True)
    findings = FindingOut(many=True)

    class Meta:
        """What is shown."""

        model = Verdict
        fields = (
            "id", "artifact", "digest", "product", "reviewer", "author", "shared_provider", "waiver", "passed", "reasons",
            "promises", "added", "notes", "at", "results", "findings",
        )  # fmt: skip


class VerdictDoor(Rows):
    """Rulings on artifacts; people alone see them, hidden promises and all."""

    serializer_class = VerdictOut
    queryset = Verdict.objects.select_related("product", "reviewer", "author").prefetch_related(
        "results", "findings"
    )
    filterset_fields = ("product__slug", "passed", "artifact")


DOORS: Doors = {"verdicts": VerdictDoor}
