"""REST doors of models: who can be asked, at what price, and every call."""

from datetime import date
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from agents.gateway.models import Call, ModelEntry, Price
from core.api.routes import Doors
from core.api.rows import Row, Rows


class PriceOut(Row[Price]):
    """What a model costs from one day on, in micro-dollars per million tokens."""

    class Meta:
        """What is shown."""

        model = Price
        fields = (
            "valid_from",
            "input_microusd",
            "output_microusd",
            "cached_microusd",
            "cache_write_microusd",
        )


class ModelOut(Row[ModelEntry]):
    """One model, as its provider calls it; its prices, the newest first."""

    provider = serializers.CharField(source="provider_id")
    is_enabled = serializers.BooleanField(source="provider.is_enabled")
    prices = serializers.SerializerMethodField()

    class Meta:
        """What is shown."""

        model = ModelEntry
        fields = (
            "id", "provider", "name", "tier", "is_enabled", "window_tokens", "max_output_tokens", "capabilities", "prices",
        )  # fmt: skip

    @extend_schema_field(PriceOut(many=True))
    def get_prices(self, row: ModelEntry) -> list[dict[str, Any]]:
        """Return its prices, the newest first."""
        newest = sorted(row.prices.all(), key=_begins, reverse=True)
        return list(PriceOut(newest, many=True).data)


def _begins(price: Price) -> date:
    return price.valid_from


class ModelDoor(Rows):
    """Who can be asked, and at what price."""

    serializer_class = ModelOut
    queryset = ModelEntry.objects.select_related("provider").prefetch_related("prices")
    filterset_fields = ("provider", "name", "tier")
    lookup_value_converter = "int"


class CallOut(Row[Call]):
    """One attempt of one model call; failures too."""

    provider = serializers.CharField(source="model.provider_id")
    model = serializers.CharField(source="model.name")

    class Meta:
        """What is shown."""

        model = Call
        fields = (
            "id", "agent", "assignment_id", "correlation_id", "provider", "model", "served_model", "tier", "task_type", "reason",
            "fallback_from", "status", "fault", "words", "stop", "bound_microusd", "cost_microusd", "prompt_tokens",
            "completion_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens", "is_batch", "repeats_id", "mode", "started_at", "ended_at",
        )  # fmt: skip


class CallDoor(Rows):
    """Every attempt of every model call."""

    serializer_class = CallOut
    queryset = Call.objects.select_related("model")
    filterset_fields = ("agent", "assignment_id", "correlation_id", "status", "tier")


DOORS: Doors = {"models": ModelDoor, "calls": CallDoor}
