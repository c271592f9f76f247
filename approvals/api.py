"""REST doors of approvals: asked by whoever works, answered by the owner alone."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request as HttpRequest
from rest_framework.response import Response

from approvals.errors import RequestOver
from approvals.models import Decision, Request
from approvals.rules import TITLE_LENGTH, RequestDraft
from approvals.services import (
    Answer,
    ask_owner,
    decide_request,
    decide_together,
    gate_records,
    take_back,
    withdraw_request,
)
from core.api.callers import AGENT, KEEPERS, OWNERS, Caller, person_of
from core.api.reading import Reason, Said
from core.api.routes import Doors
from core.api.rows import Row, Rows, verb
from core.errors import NotYours
from core.ids import new_id
from core.services import business_now

Told = Mapping[str, Any]
MAX_BIGINT = 2**63 - 1


class DecisionOut(Row[Decision]):
    """The one answer."""

    by = serializers.CharField(source="by.username")

    class Meta:
        """What is shown."""

        model = Decision
        fields = (
            "id",
            "request",
            "answer",
            "by",
            "words",
            "digest_shown",
            "channel",
            "at",
            "business_at",
            "used_at",
        )


class RequestOut(Row[Request]):
    """One question; whoever answers sends the digest back."""

    on_silence = serializers.CharField()
    decision = DecisionOut(allow_null=True, default=None)

    class Meta:
        """What is shown."""

        model = Request
        fields = (
            "id", "key", "action", "arguments", "binds", "digest", "title", "reason", "asked_by", "product",
            "worst_case_microusd", "worst_case_parts", "on_yes", "on_no", "on_silence", "is_reversible", "undo", "alternatives",
            "evidence", "diff", "state", "asked_at", "deadline", "round", "follows", "withdrawn_why", "correlation_id", "decision",
        )  # fmt: skip


class EvidenceIn(Said):
    """One thing that was checked; `passed` null: it could not be."""

    name = serializers.CharField(max_length=200)
    passed = serializers.BooleanField(allow_null=True)
    words = serializers.CharField(max_length=2_000)


class AlternativeIn(Said):
    """Another way."""

    name = serializers.CharField(max_length=200)
    words = serializers.CharField(max_length=2_000)


class PartIn(Said):
    """A part of the worst case; all of them add up to it."""

    words = serializers.CharField(max_length=200)
    microusd = serializers.IntegerField(min_value=0, max_value=MAX_BIGINT)


class QuestionIn(Said):
    """What the owner is asked; who asks is known from the token."""

    action = serializers.CharField(
        max_length=80, help_text="Name of the registered action that a yes carries out."
    )
    arguments = serializers.DictField()
    title = serializers.CharField(max_length=TITLE_LENGTH)
    reason = serializers.CharField(max_length=10_000)
    on_yes = serializers.CharField(max_length=2_000)
    on_no = serializers.CharField(max_length=2_000)
    worst_case_microusd = serializers.IntegerField(min_value=0, max_value=MAX_BIGINT, allow_null=True)
    binds = serializers.DictField(required=False, default=dict)
    evidence = serializers.ListField(child=EvidenceIn(), required=False, default=list, max_length=50)
    diff = serializers.CharField(
        max_length=200_000, required=False, default="", allow_blank=True, trim_whitespace=False
    )
    product = serializers.CharField(max_length=80, required=False, default="", allow_blank=True)
    deadline_s = serializers.IntegerField(
        min_value=60,
        max_value=30 * 86_400,
        required=False,
        allow_null=True,
        default=None,
        help_text="Business time; without it, what the settings say.",
    )
    is_reversible = serializers.BooleanField(required=False, allow_null=True, default=None)
    undo = serializers.CharField(max_length=120, required=False, default="", allow_blank=True)
    alternatives = serializers.ListField(child=AlternativeIn(), required=False, default=list, max_length=20)
    worst_case_parts = serializers.ListField(child=PartIn(), required=False, default=list, max_length=50)


class AnswerIn(Said):
    """The owner's answer to exactly what was shown."""

    answer = serializers.ChoiceField(choices=Decision.Answer.choices)
    digest = serializers.CharField(max_length=64)
    words = serializers.CharField(max_length=10_000, required=False, default="", allow_blank=True)


class NamedAnswerIn(AnswerIn):
    """The answer to one of several questions."""

    id = serializers.UUIDField()


class AnswersIn(Said):
    """Several answers, given together or not at all."""

    answers = serializers.ListField(child=NamedAnswerIn(), min_length=1, max_length=100)


class RecordOut(serializers.Serializer[Any]):
    """How one asker fared at one gate in the last 30 days."""

    action = serializers.CharField()
    asked_by = serializers.CharField()
    count = serializers.IntegerField()
    answered = serializers.IntegerField()
    approved = serializers.IntegerField()
    rejected = serializers.IntegerField()
    changed = serializers.IntegerField()
    expired = serializers.IntegerField()
    median_s = serializers.FloatField(allow_null=True)
    p90_s = serializers.FloatField(allow_null=True)
    hasty = serializers.IntegerField(help_text="Answered within 5 seconds.")


class Resolved(serializers.ListSerializer[Any]):
    """Decisions, as many as were asked for."""

    child = DecisionOut()


class ApprovalDoor(Rows):
    """Questions to the owner, and the answers."""

    serializer_class = RequestOut
    queryset = Request.objects.select_related("decision__by")
    filterset_fields = ("state", "action", "asked_by", "product", "correlation_id")

    @verb(may=OWNERS | KEEPERS | {AGENT}, takes=QuestionIn, gives=RequestOut, status=201)
    def create(self, caller: Caller, said: Told) -> Request:
        """Ask the owner."""
        return ask_owner(RequestDraft(**said, asked_by=caller.name, key=f"rest:{new_id()}"))

    @verb(may=OWNERS, takes=AnswerIn, gives=RequestOut)
    def resolve(self, caller: Caller, said: Told, pk: UUID) -> Request:
        """Answer, once; the effect begins with the answer."""
        decide_request(pk, **said, by=person_of(caller), channel=Decision.Channel.REST)
        return self._one(pk)

    @verb(may=OWNERS, takes=AnswersIn, gives=Resolved, is_one=False)
    def resolve_together(self, caller: Caller, said: Told) -> list[Decision]:
        """Answer several questions, all or none."""
        answers = [Answer(one["id"], one["answer"], one["digest"], one["words"]) for one in said["answers"]]
        return decide_together(answers, by=person_of(caller), channel=Decision.Channel.REST)

    @verb(may=OWNERS, gives=RequestOut)
    def take_back(self, caller: Caller, said: Told, pk: UUID) -> Request:
        """Undo a yes that nothing was done with yet."""
        take_back(pk, by=person_of(caller), channel=Decision.Channel.REST)
        return self._one(pk)

    @extend_schema(responses=RecordOut(many=True))
    @action(detail=False, pagination_class=None, filter_backends=[])
    def records(self, request: HttpRequest) -> Response:
        """Say how every asker fared at every gate in the last 30 days."""
        return Response(RecordOut(gate_records(business_now()), many=True).data)

    @verb(may=OWNERS | {AGENT}, takes=Reason, gives=RequestOut)
    def withdraw(self, caller: Caller, said: Told, pk: UUID) -> Request:
        """Take an unanswered question back; an agent its own alone."""
        asked = self.get_object()
        if caller.role == AGENT and asked.asked_by != caller.name:
            raise NotYours(asked_by=asked.asked_by)
        if not withdraw_request(pk, by=caller.name, reason=said["reason"]):
            raise RequestOver(title=asked.title)
        return self._one(pk)

    def _one(self, pk: UUID) -> Request:
        found: Request = self.get_queryset().get(pk=pk)
        return found


DOORS: Doors = {"approvals": ApprovalDoor}
