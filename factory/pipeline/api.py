"""REST doors of ventures: ideas, wishes, and what Kev made of them."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.api.callers import KEEPERS, OWNERS, Caller
from core.api.reading import Reason, Said
from core.api.routes import Doors
from core.api.rows import Door, Row, Rows, verb
from core.ids import new_id
from factory.pipeline.models import Advice, Hook, Objective, ObjectiveChange, Plan, Quote
from factory.pipeline.services import (
    Wish,
    cancel_objective,
    close_hook,
    open_hook,
    receive_objective,
    start_from_idea,
)
from factory.pipeline.services.quotes import foreseen, held_against
from portfolio.models import Product

Told = Mapping[str, Any]
MAX_BIGINT = 2**63 - 1


class IdeaIn(Said):
    """What to build, in a sentence or two."""

    text = serializers.CharField(max_length=32_768)
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

    @verb(may=OWNERS, takes=IdeaIn, gives=BegunOut, status=201, is_repeatable=True)
    def create(self, caller: Caller, said: Told) -> Product:
        """Begin a venture now; you are asked before anything is built."""
        return start_from_idea(said["text"], name=said["name"], by=caller.name)


class ChangeOut(Row[ObjectiveChange]):
    """One change of an objective's state."""

    class Meta:
        """What is shown."""

        model = ObjectiveChange
        fields = ("old", "new", "actor", "reason", "at")


class ObjectiveOut(Row[Objective]):
    """One wish and how far it is."""

    product = serializers.CharField(source="product.slug", allow_null=True, default=None)
    changes = ChangeOut(many=True)

    class Meta:
        """What is shown."""

        model = Objective
        fields = (
            "id", "source", "key", "text", "product", "budget_microusd", "deadline", "state", "reason", "created_by", "created_at",
            "changed_at", "changes",
        )  # fmt: skip


class ObjectiveIn(Said):
    """A wish; the same key again is the same wish."""

    text = serializers.CharField(max_length=32_768)
    key = serializers.CharField(max_length=150, required=False, default="", allow_blank=True)
    budget_microusd = serializers.IntegerField(
        min_value=0, max_value=MAX_BIGINT, required=False, default=None, allow_null=True
    )
    deadline = serializers.DateTimeField(
        required=False, default=None, allow_null=True, help_text="Business time."
    )


class ObjectiveDoor(Rows):
    """What the factory was asked to do."""

    serializer_class = ObjectiveOut
    queryset = Objective.objects.select_related("product").prefetch_related("changes")
    filterset_fields = ("source", "state", "product__slug")

    @verb(may=OWNERS, takes=ObjectiveIn, gives=ObjectiveOut, status=201)
    def create(self, caller: Caller, said: Told) -> Objective:
        """Leave a wish for Kev's next round."""
        wish = Wish(
            text=said["text"],
            source=Objective.Source.OWNER,
            key=f"rest:{said['key'] or new_id()}",
            by=caller.name,
            budget_microusd=said["budget_microusd"],
            deadline=said["deadline"],
        )
        return receive_objective(wish)[0]

    @verb(may=KEEPERS, takes=Reason, gives=ObjectiveOut)
    def cancel(self, caller: Caller, said: Told, pk: UUID) -> Objective:
        """Give it up: its question is taken back, its graphs are cancelled; what users meet stays."""
        self.get_object()
        cancel_objective(pk, by=caller.name, reason=said["reason"])
        found: Objective = self.get_object()
        return found


class PlanOut(Row[Plan]):
    """One plan, and which rules it breaks."""

    product = serializers.CharField(source="product.slug")

    class Meta:
        """What is shown."""

        model = Plan
        fields = (
            "id", "product", "objective", "version", "content", "violations", "proposed_by", "attempt_id", "created_at",
        )  # fmt: skip


class PlanDoor(Rows):
    """Plans; one without violations is carried out."""

    serializer_class = PlanOut
    queryset = Plan.objects.select_related("product")
    filterset_fields = ("product__slug", "objective")


class HeldOut(serializers.Serializer[Any]):
    """One part of a quote, and what the build took for it so far; null: nothing of it was done, or many quotes are read."""

    name = serializers.CharField(source="part.name")
    agent = serializers.CharField(source="part.agent")
    model = serializers.CharField(source="part.model")
    low_microusd = serializers.IntegerField(source="part.low_microusd", allow_null=True)
    high_microusd = serializers.IntegerField(source="part.high_microusd", allow_null=True)
    spent_microusd = serializers.IntegerField(source="spent.cost_microusd", allow_null=True, default=None)


class QuoteOut(Row[Quote]):
    """What a build was expected to cost, part by part, beside what it did cost."""

    product = serializers.CharField(source="product.slug")
    parts = serializers.SerializerMethodField()
    low_microusd = serializers.IntegerField(
        source="cost.least", allow_null=True, help_text="At least; null: nothing of it is known."
    )
    high_microusd = serializers.IntegerField(
        source="cost.most", allow_null=True, help_text="Null: a part of it is not known."
    )

    class Meta:
        """What is shown."""

        model = Quote
        fields = (
            "id", "product", "basis", "builds", "parts", "low_microusd", "high_microusd", "stop_microusd", "low_s", "high_s",
            "day_cap_microusd", "unknown", "mode", "made_at",
        )  # fmt: skip

    @extend_schema_field(HeldOut(many=True))
    def get_parts(self, row: Quote) -> list[dict[str, Any]]:
        """Return its parts; beside what they took where one quote is read alone."""
        held = held_against(row) if self.parent is None else foreseen(row)
        return list(HeldOut(held, many=True).data)


class QuoteDoor(Rows):
    """Quotes, one for each question whether to build."""

    serializer_class = QuoteOut
    queryset = Quote.objects.select_related("product")
    filterset_fields = ("product__slug", "basis", "mode")


class AdviceOut(Row[Advice]):
    """What Kev would do about work that was given up; the owner chooses."""

    class Meta:
        """What is shown."""

        model = Advice
        fields = ("letter", "choice", "words", "at")


class AdviceDoor(Rows):
    """Kev's advice on work that was given up, by dead letter."""

    serializer_class = AdviceOut
    queryset = Advice.objects.all()
    filterset_fields = ("choice",)


class HookOut(Row[Hook]):
    """One sender outside."""

    class Meta:
        """What is shown: never its secret."""

        model = Hook
        fields = ("name", "pause_s", "created_by", "created_at", "closed_at")


class HookMadeOut(serializers.Serializer[Any]):
    """The sender that was let in, and what it signs with: told this once."""

    name = serializers.CharField()
    pause_s = serializers.IntegerField()
    secret = serializers.CharField()


class HookIn(Said):
    """Who may send wishes, and how long its messages are gathered before they become one."""

    may_say = frozenset({"name"})

    name = serializers.SlugField(max_length=40)
    pause_s = serializers.IntegerField(min_value=0, max_value=86_400, required=False, default=60)


class HookDoor(Rows):
    """Senders outside; each posts to `/hooks/NAME/`, with `t=SECOND,v1=HMAC-SHA256 of "SECOND.BODY"` in X-Factory-Signature."""

    serializer_class = HookOut
    queryset = Hook.objects.all()
    lookup_field = "name"
    lookup_value_converter = "slug"

    @verb(may=OWNERS, takes=HookIn, gives=HookMadeOut, status=201, is_secret=True)
    def create(self, caller: Caller, said: Told) -> Hook:
        """Let a sender in."""
        hook, secret = open_hook(said["name"], pause_s=said["pause_s"], by=caller.name)
        hook.secret = secret
        return hook

    @verb(may=KEEPERS, gives=HookOut)
    def close(self, caller: Caller, said: Told, name: str) -> Hook:
        """Hear it no more."""
        return close_hook(name, by=caller.name)


DOORS: Doors = {
    "ideas": IdeaDoor,
    "objectives": ObjectiveDoor,
    "plans": PlanDoor,
    "quotes": QuoteDoor,
    "advice": AdviceDoor,
    "hooks": HookDoor,
}
