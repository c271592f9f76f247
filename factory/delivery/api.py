"""REST doors of delivery: releases, and where products are served."""

from rest_framework import serializers

from core.api.routes import Doors
from core.api.rows import Row, Rows
from factory.delivery.models import Place, Release


class ReleaseOut(Row[Release]):
    """One artifact on its way to users."""

    product = serializers.CharField(source="product.slug")

    class Meta:
        """What is shown."""

        model = Release
        fields = (
            "id", "product", "artifact", "verdict", "decision", "version", "digest", "state", "why", "red_probes", "created_at",
            "live_at", "trusted_at", "ended_at",
        )  # fmt: skip


class ReleaseDoor(Rows):
    """Releases, the newest first."""

    serializer_class = ReleaseOut
    queryset = Release.objects.select_related("product")
    filterset_fields = ("product__slug", "state")


class PlaceOut(Row[Place]):
    """Where a product is served."""

    product = serializers.CharField(source="product.slug")

    class Meta:
        """What is shown."""

        model = Place
        fields = ("id", "product", "port", "preview_port")


class PlaceDoor(Rows):
    """Where products are served."""

    serializer_class = PlaceOut
    queryset = Place.objects.select_related("product")
    filterset_fields = ("product__slug",)
    lookup_value_converter = "int"


DOORS: Doors = {"releases": ReleaseDoor, "places": PlaceDoor}
