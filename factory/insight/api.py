"""REST doors of numbers: money now, profit and loss, metrics, what became of answers."""

from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from approvals.models import Request as Question
from core.api.callers import caller_of
from core.api.reading import Said
from core.api.routes import Doors
from core.api.rows import Door
from core.errors import NotFound
from core.redact import told_to
from core.services import business_now
from factory.insight.services import (
    MOST_HOURS,
    PURPOSES_BY,
    AgentNow,
    Span,
    agents_now,
    effects_of,
    metrics_now,
    money_now,
    product_pnl,
    purposes_by,
    trace_of,
    use_of_models,
)
from portfolio.models import Product


class PurseOut(serializers.Serializer[Any]):
    """What one period of the factory may cost, and did."""

    spent_microusd = serializers.IntegerField()
    held_microusd = serializers.IntegerField()
    cap_microusd = serializers.IntegerField(allow_null=True)
    ends_at = serializers.DateTimeField()
    forecast_microusd = serializers.IntegerField(allow_null=True)


class MoneyOut(serializers.Serializer[Any]):
    """Today and this month; revenue is after refunds, disputes and fees."""

    today = PurseOut()
    month = PurseOut()
    revenue_microusd = serializers.IntegerField()
    cost_microusd = serializers.IntegerField()
    profit_microusd = serializers.IntegerField()
    spent_by_day = serializers.ListField(
        child=serializers.IntegerField(), help_text="All costs; 14 days, today last."
    )
    revenue_by_day = serializers.ListField(child=serializers.IntegerField())
    profit_by_day = serializers.ListField(child=serializers.IntegerField())


class MoneyDoor(Door):
    """The factory's money."""

    serializer_class = MoneyOut

    @extend_schema(responses=MoneyOut)
    def read(self, request: Request) -> Response:
        """Say what was spent, held and earned."""
        return Response(MoneyOut(money_now(business_now())).data)


class WaitOut(serializers.Serializer[Any]):
    """How long tasks waited for a worker, in seconds; null: none began."""

    p50_s = serializers.FloatField(allow_null=True)
    p95_s = serializers.FloatField(allow_null=True)
    p99_s = serializers.FloatField(allow_null=True)


class DayOut(serializers.Serializer[Any]):
    """What happened since the UTC day began."""

    completed = serializers.IntegerField()
    failed_by_class = serializers.DictField(
        child=serializers.IntegerField(), help_text="Attempts that failed."
    )
    claims = serializers.IntegerField()
    claims_begun_share = serializers.FloatField(allow_null=True, help_text="0 to 1; null: none was made.")
    heartbeats_missed = serializers.IntegerField(help_text="Attempts whose worker went silent.")
    cost_microusd = serializers.IntegerField()
    cost_by_agent = serializers.DictField(child=serializers.IntegerField())
    attempts_by_agent = serializers.DictField(child=serializers.IntegerField())


class MetricsOut(serializers.Serializer[Any]):
    """How the factory works."""

    active = serializers.IntegerField(help_text="Attempts that run now.")
    depth_by_queue = serializers.DictField(child=serializers.IntegerField(), help_text="Ready tasks.")
    held = serializers.IntegerField(help_text="Ready tasks that are kept out of the line.")
    oldest_wait_s = serializers.FloatField(allow_null=True)
    waiting_for_owner = serializers.IntegerField()
    dead_letters = serializers.IntegerField()
    wait = WaitOut()
    today = DayOut()


class MetricsDoor(Door):
    """How the factory works."""

    serializer_class = MetricsOut

    @extend_schema(responses=MetricsOut)
    def read(self, request: Request) -> Response:
        """Say depth, waits, failures, cost and use."""
        return Response(MetricsOut(metrics_now()).data)


class PurposeOut(serializers.Serializer[Any]):
    """What the calls of one task, agent, product, model or day went for; the first three amounts add up to the cost."""

    key = serializers.CharField(help_text="Its id, name or day; empty: none.")
    label = serializers.CharField()  # type: ignore[assignment]  # a field of this name, as the row has it
    calls = serializers.IntegerField()
    cost_microusd = serializers.IntegerField()
    first_microusd = serializers.IntegerField(help_text="First tries.")
    retry_microusd = serializers.IntegerField(
        help_text="Later tries, and models asked after others had failed."
    )
    judge_microusd = serializers.IntegerField(help_text="Judging what others made.")
    prompt_tokens = serializers.IntegerField()
    completion_tokens = serializers.IntegerField()
    reasoning_tokens = serializers.IntegerField()
    cached_tokens = serializers.IntegerField()
    recalled_tokens = serializers.IntegerField(allow_null=True, help_text="null: nobody counts them yet.")
    saved_microusd = serializers.IntegerField(help_text="By caches.")


class CostsQuery(Said):
    """Told apart by what, and how far back."""

    group = serializers.ChoiceField(choices=PURPOSES_BY, default="agent")
    days = serializers.IntegerField(min_value=1, max_value=90, default=1)


class CostsDoor(Door):
    """What model calls went for."""

    serializer_class = PurposeOut
    pagination_class = None
    filter_backends = ()
    questions = frozenset({"group", "days"})

    @extend_schema(responses=PurposeOut(many=True), parameters=[CostsQuery])
    def read(self, request: Request) -> Response:
        """Give first tries, retries, judges, thinking and what caches saved, the dearest first. Source: R-08.8."""
        asked = CostsQuery(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        told = asked.validated_data
        return Response(
            PurposeOut(purposes_by(told["group"], days=told["days"], now=timezone.now()), many=True).data
        )


class PnlOut(serializers.Serializer[Any]):
    """One kind of money on one day."""

    day = serializers.DateField()
    kind = serializers.CharField()
    amount_microusd = serializers.IntegerField()


class ProductNumbersDoor(Door):
    """What one product cost and earned."""

    noun = "product-numbers"
    serializer_class = PnlOut
    queryset = Product.objects.select_related("scope")
    lookup_field = "slug"
    lookup_value_converter = "slug"

    @extend_schema(responses=PnlOut(many=True))
    @action(detail=True, pagination_class=None)
    def pnl(self, request: Request, slug: str) -> Response:
        """Give its profit and loss by day and kind; their sum is its profit."""
        return Response(PnlOut(product_pnl(self.get_object()), many=True).data)


class OutcomeOut(serializers.Serializer[Any]):
    """How far the effect of a yes is."""

    step = serializers.CharField(help_text="waits, doing, done, failed; none: there was no yes.")
    words = serializers.CharField()


class EffectDoor(Door):
    """What became of an answer."""

    noun = "approval"
    serializer_class = OutcomeOut
    queryset = Question.objects.all()

    @extend_schema(responses=OutcomeOut)
    @action(detail=True)
    def effect(self, request: Request, pk: UUID) -> Response:
        """Say how far the effect is, read from what it was bound to."""
        asked = self.get_object()
        effect = effects_of([asked]).get(asked.pk)
        return Response({"step": effect.step if effect else "none", "words": effect.words if effect else ""})


class AgentNowOut(serializers.Serializer[Any]):
    """One agent as it stands; statistics since the month began. Source: R-03.15, R-03.16."""

    name = serializers.CharField(source="agent.name")
    role = serializers.CharField(source="agent.role")
    status = serializers.CharField(help_text="online, busy, draining, offline, quarantined or disabled.")
    capabilities = serializers.ListField(
        child=serializers.CharField(), source="agent.definition.capabilities"
    )
    doing = serializers.SerializerMethodField(help_text="Titles of what it works on now.")
    waiting = serializers.IntegerField(help_text="Its questions that wait for the owner.")
    today = PurseOut()
    month_microusd = serializers.IntegerField()
    completed = serializers.IntegerField(source="record.accepted")
    failed = serializers.IntegerField(source="record.failed")
    override_share = serializers.FloatField(source="record.override_share", allow_null=True)
    mean_s = serializers.FloatField(source="record.mean_s", allow_null=True)
    idle_since = serializers.DateTimeField(allow_null=True)

    def get_doing(self, one: AgentNow) -> list[str]:
        """Return what it works on now."""
        return [work.title for work in one.work]


class AgentsNowDoor(Door):
    """The staff as it stands now."""

    serializer_class = AgentNowOut
    pagination_class = None
    filter_backends = ()
    questions = frozenset({"status", "role", "capability"})

    @extend_schema(
        responses=AgentNowOut(many=True), parameters=[OpenApiParameter(name) for name in sorted(questions)]
    )
    def read(self, request: Request) -> Response:
        """Give every agent with its status, money and record."""
        wanted = request.query_params
        shown = [
            one
            for one in agents_now(business_now())
            if wanted.get("status", one.status) == one.status
            and wanted.get("role", one.agent.role) == one.agent.role
            and (not wanted.get("capability") or wanted["capability"] in one.agent.definition.capabilities)
        ]
        return Response(AgentNowOut(shown, many=True).data)


class UseOut(serializers.Serializer[Any]):
    """What one agent, model, provider or hour used of models."""

    key = serializers.CharField(help_text="Which one; of an hour when it began, UTC.")
    calls = serializers.IntegerField(help_text="Every try.")
    failed = serializers.IntegerField()
    lost = serializers.IntegerField(help_text="Cost not known, booked at the bound.")
    fallbacks = serializers.IntegerField(help_text="Made because another try failed.")
    prompt_tokens = serializers.IntegerField()
    completion_tokens = serializers.IntegerField()
    cached_tokens = serializers.IntegerField()
    reasoning_tokens = serializers.IntegerField()
    cost_microusd = serializers.IntegerField()
    mean_s = serializers.FloatField(allow_null=True, help_text="Null: none has ended.")


class UseIn(serializers.Serializer[Any]):
    """How to group, and how far back."""

    by = serializers.ChoiceField(choices=["agent", "model", "provider", "hour"], default="agent")
    hours = serializers.IntegerField(min_value=1, max_value=MOST_HOURS, default=24)


class CallMetricsDoor(Door):
    """Use of models."""

    serializer_class = UseOut
    pagination_class = None
    filter_backends = ()
    questions = frozenset({"by", "hours"})

    @extend_schema(responses=UseOut(many=True), parameters=[UseIn])
    def read(self, request: Request) -> Response:
        """Give requests, tokens, cost, latency and fallbacks, the dearest first; by hour the oldest first."""
        asked = UseIn(data=request.query_params)
        asked.is_valid(raise_exception=True)
        return Response(UseOut(use_of_models(**asked.validated_data), many=True).data)


class SpanOut(serializers.Serializer[Any]):
    """One piece of a story. Source: R-08.9."""

    id = serializers.UUIDField()
    kind = serializers.CharField(help_text="objective, graph, task, attempt, turn, call or tool.")
    name = serializers.CharField()
    parent_id = serializers.UUIDField(allow_null=True)
    depth = serializers.IntegerField()
    status = serializers.CharField(help_text="As its own row says it.")
    started_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    prompt_tokens = serializers.IntegerField(allow_null=True)
    completion_tokens = serializers.IntegerField(allow_null=True)
    cost_microusd = serializers.IntegerField(
        allow_null=True, help_text="Of everything below it; null: not known."
    )
    agent = serializers.CharField()
    model = serializers.CharField()
    prompt_version = serializers.CharField()
    score = serializers.FloatField(allow_null=True, help_text="0 to 1; null: nobody judged.")
    words = serializers.SerializerMethodField(
        help_text="Why it failed, or what a tool was used on; redacted for an operator, empty for a viewer."
    )
    is_lost = serializers.BooleanField(help_text="Its own parent is not known.")

    def get_words(self, span: Span) -> str:
        """Return as much as the caller's role may read."""
        return told_to(span.words, role=caller_of(self.context["request"]).role)


class TraceOut(serializers.Serializer[Any]):
    """One page of a story's trace."""

    id = serializers.UUIDField()
    title = serializers.CharField()
    total = serializers.IntegerField(help_text="Spans on all pages.")
    lost = serializers.IntegerField(help_text="Spans on all pages whose own parent is not known.")
    page = serializers.IntegerField()
    pages = serializers.IntegerField()
    calls = serializers.IntegerField()
    cost_microusd = serializers.IntegerField()
    spans = SpanOut(many=True, help_text="Each behind its parent.")


class PageIn(serializers.Serializer[Any]):
    """Which page."""

    page = serializers.IntegerField(min_value=1, max_value=100_000, default=1)


class TraceDoor(Door):
    """What happened in a story, as a tree of spans; its key is the correlation id."""

    serializer_class = TraceOut
    filter_backends = ()
    pagination_class = None
    questions = frozenset({"page"})

    @extend_schema(responses=TraceOut, parameters=[PageIn, OpenApiParameter("id", UUID, "path")])
    def retrieve(self, request: Request, pk: UUID) -> Response:
        """Give one page of the trace."""
        asked = PageIn(data=request.query_params)
        asked.is_valid(raise_exception=True)
        found = trace_of(pk, page=asked.validated_data["page"])
        if found is None:
            raise NotFound(story=str(pk))
        return Response(TraceOut(found, context={"request": request}).data)


DOORS: Doors = {
    "traces": TraceDoor,
    "call-metrics": CallMetricsDoor,
    "agents-now": AgentsNowDoor,
    "costs": CostsDoor,
    "money": MoneyDoor,
    "metrics": MetricsDoor,
    "products": ProductNumbersDoor,
    "approvals": EffectDoor,
}
