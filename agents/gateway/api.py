"""REST doors of models: who can be asked, at what price, what an agent may still spend, and every call."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents.gateway.models import Call, ModelEntry, Price
from agents.gateway.rules.offers import LEAST_WINDOW_TOKENS, MOST_WINDOW_TOKENS
from agents.gateway.rules.route import TIERS
from agents.gateway.services.makers import DEAREST_USD, enter_price
from agents.roster.services import find_agent
from billing.models import Period
from billing.services.purses import purses_of
from billing.services.switches import switch_against
from core.api.callers import OWNERS, Caller
from core.api.reading import Said
from core.api.routes import Doors
from core.api.rows import Door, Row, Rows, Words, verb
from core.money import to_microusd, to_usd
from core.services import business_now


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


def _begins(price: Price) -> tuple[date, int]:
    return price.valid_from, price.pk


class ModelDoor(Rows):
    """Who can be asked, and at what price."""

    serializer_class = ModelOut
    queryset = ModelEntry.objects.select_related("provider").prefetch_related("prices")
    filterset_fields = ("provider", "name", "tier")
    lookup_value_converter = "int"


class DatedPriceOut(Row[Price]):
    """What one model costs from one day on, in micro-dollars per million tokens."""

    maker = serializers.CharField(source="model.provider_id")
    name = serializers.CharField(source="model.name")

    class Meta:
        """What is shown."""

        model = Price
        fields = ("id", "model", "maker", "name", *PriceOut.Meta.fields)


class PriceIn(Said):
    """What a model costs for a million tokens read and written, in micro-dollars; what it holds and writes at most."""

    maker = serializers.CharField(max_length=40)
    model = serializers.CharField(max_length=80)
    input_microusd = serializers.IntegerField(min_value=0, max_value=to_microusd(DEAREST_USD))
    output_microusd = serializers.IntegerField(min_value=0, max_value=to_microusd(DEAREST_USD))
    tier = serializers.ChoiceField(choices=TIERS, required=False, help_text="As it was; mid for a new one.")
    window_tokens = serializers.IntegerField(
        min_value=LEAST_WINDOW_TOKENS, max_value=MOST_WINDOW_TOKENS, required=False
    )
    max_output_tokens = serializers.IntegerField(min_value=1, max_value=MOST_WINDOW_TOKENS, required=False)


class PriceDoor(Rows):
    """The price table: what landed never changes."""

    serializer_class = DatedPriceOut
    queryset = Price.objects.select_related("model")
    filterset_fields = ("model", "model__provider", "model__name")
    lookup_value_converter = "int"

    @verb(may=OWNERS, takes=PriceIn, gives=DatedPriceOut, status=201)
    def create(self, caller: Caller, said: Mapping[str, Any]) -> Price:
        """Say what a model costs that the price table does not know, from today on; the newest price entered counts."""
        return enter_price(
            said["maker"],
            said["model"],
            input_usd=to_usd(said["input_microusd"]),
            output_usd=to_usd(said["output_microusd"]),
            tier=said.get("tier", ""),
            window_tokens=said.get("window_tokens"),
            longest_tokens=said.get("max_output_tokens"),
            by=caller.name,
        )


class BudgetLimitOut(serializers.Serializer[Any]):
    """One limit an agent's calls count in, in the period that runs."""

    scope = serializers.UUIDField()
    whose = serializers.CharField()
    period = serializers.ChoiceField(choices=Period.choices)
    cap_microusd = serializers.IntegerField()
    spent_microusd = serializers.IntegerField()
    held_microusd = serializers.IntegerField()
    left_microusd = serializers.IntegerField()
    ends_at = serializers.DateTimeField(allow_null=True, help_text="Business time; null: never.")


class BudgetOut(serializers.Serializer[Any]):
    """What an agent may still spend: the least that is left counts."""

    name = serializers.CharField()
    is_off = serializers.BooleanField(help_text="Its next call would be refused by a switch.")
    off_because = serializers.CharField(allow_blank=True)
    limits = BudgetLimitOut(many=True)


class BudgetDoor(Door):
    """What each agent may still spend."""

    serializer_class = BudgetOut
    pagination_class = None
    filter_backends = ()
    lookup_url_kwarg = "name"
    lookup_value_converter = "slug"

    @extend_schema(responses=BudgetOut)
    def retrieve(self, request: Request, name: str) -> Response:
        """Give every limit the agent's calls count in, its team's and the factory's too, the fullest first."""
        agent = find_agent(name)
        off = switch_against(scopes=[agent.scope_id])
        told = {
            "name": agent.name,
            "is_off": off is not None or not agent.is_enabled,
            "off_because": off.reason if off else "",
            "limits": purses_of([agent.scope_id], moment=business_now()),
        }
        return Response(BudgetOut(told).data)


class CallOut(Words[Call]):
    """One attempt of one model call; failures too."""

    words = ("words",)

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


DOORS: Doors = {"models": ModelDoor, "prices": PriceDoor, "budget": BudgetDoor, "calls": CallDoor}
