"""REST doors of ventures: an idea given."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from core.api.callers import OWNERS, Caller
from core.api.reading import Said
from core.api.routes import Doors
from core.api.rows import Door, verb
from factory.pipeline.services import start_from_idea
from portfolio.models import Product

Told = Mapping[str, Any]


class IdeaIn(Said):
    """What to build, in a sentence or two."""

    text = serializers.CharField(max_length=10_000)
    name = serializers.CharField(max_length=80, required=False, default="", allow_blank=True)


class BegunOut(serializers.Serializer[Any]):
    """The product that was begun."""

    slug = serializers.CharField()
    name = serializers.CharField()
    stage = serializers.CharField()
    correlation_id = serializers.UUIDField()


class IdeaDoor(Door):
    """Ideas of the owner."""

    serializer_class = BegunOut

    @verb(may=OWNERS, takes=IdeaIn, gives=BegunOut, status=201)
    def create(self, caller: Caller, said: Told) -> Product:
        """Begin a venture; you are asked before anything is built."""
        return start_from_idea(said["text"], name=said["name"])


DOORS: Doors = {"ideas": IdeaDoor}
