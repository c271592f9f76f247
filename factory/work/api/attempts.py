"""Doors of attempts: claimed and carried out from afar, read, and what they left."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from core.api.callers import AGENT, KEEPERS, OWNERS, READERS, WORKER, Caller, Roles, caller_of
from core.api.reading import Said
from core.api.rows import Bytes, Door, Rows, verb
from core.errors import NotYours
from core.registry import ArtifactDraft, Assignment, Outcome
from core.services import read_blob
from factory.work.api.graphs import GraphTaskIn, shown_tasks, spec_of
from factory.work.api.shown import (
    ArtifactOut,
    AssignmentOut,
    AttemptOut,
    DeadLetterOut,
    QueueOut,
    TaskEventOut,
    TaskOut,
)
from factory.work.models import Artifact, Attempt, DeadLetter, Queue, Task, TaskEvent
from factory.work.rules import ERROR_CLASSES
from factory.work.rules.children import MAX_CHILDREN
from factory.work.services import (
    cancel_task,
    claim_task,
    finish_attempt,
    heartbeat,
    pause_queue,
    retry_dead_letter,
    spawn_children,
    start_attempt,
    unpause_queue,
)

Told = Mapping[str, Any]
DOERS: Roles = frozenset({WORKER, AGENT})
MAX_ARTIFACTS = 50


class ArtifactIn(Said):
    """One thing the attempt made."""

    kind = serializers.CharField(max_length=40)
    name = serializers.CharField(max_length=200)
    content_base64 = serializers.CharField(
        required=False, default=None, allow_null=True, trim_whitespace=False
    )
    facts = serializers.DictField(required=False, default=dict)
    media_type = serializers.CharField(max_length=80, default="application/json")
    is_final = serializers.BooleanField(default=False)

    def validate_content_base64(self, said: str | None) -> bytes | None:
        """Return the bytes."""
        try:
            return None if said is None else base64.b64decode(said, validate=True)
        except (binascii.Error, ValueError):
            raise serializers.ValidationError("This is no base64.") from None


class DoneIn(Said):
    """What the attempt offers as its result."""

    result = serializers.DictField()
    artifacts = serializers.ListField(
        child=ArtifactIn(), required=False, default=list, max_length=MAX_ARTIFACTS
    )


class FailedIn(Said):
    """What the attempt died of."""

    error = serializers.CharField(max_length=20_000)
    error_class = serializers.ChoiceField(choices=sorted(ERROR_CLASSES - {"rejected"}))


class ChildrenIn(Said):
    """Up to 20 tasks below the one that is carried out; their budgets come out of its own."""

    tasks = serializers.ListField(child=GraphTaskIn(), min_length=1, max_length=MAX_CHILDREN)


class Children(serializers.ListSerializer[Any]):
    """Tasks, as many as were asked for."""

    child = TaskOut()


class AttemptDoor(Rows):
    """Tries at tasks; an agent sees its own alone."""

    may = READERS | {AGENT}
    serializer_class = AttemptOut
    queryset = Attempt.objects.with_costs().select_related("agent")
    filterset_fields = ("task", "agent__name", "state", "error_class", "task__dag")

    def get_queryset(self) -> QuerySet[Attempt]:
        """Return what the caller may see."""
        caller = caller_of(self.request)
        rows: QuerySet[Attempt] = super().get_queryset()
        return rows if caller.attempt_id is None else rows.filter(pk=caller.attempt_id)

    @verb(may=DOERS, gives=AttemptOut)
    def start(self, caller: Caller, said: Told, pk: UUID) -> Attempt:
        """Begin it; from now on its lease must be kept alive."""
        _check_mine(caller, pk)
        start_attempt(pk)
        return _shown(pk)

    @verb(may=DOERS, gives=None)
    def heartbeat(self, caller: Caller, said: Told, pk: UUID) -> None:
        """Keep its lease alive; refused once it must stop."""
        _check_mine(caller, pk)
        heartbeat(pk)

    @verb(may=DOERS, takes=DoneIn, gives=AttemptOut)
    def complete(self, caller: Caller, said: Told, pk: UUID) -> Attempt:
        """Offer its result; whether the task is done, the validator says."""
        _check_mine(caller, pk)
        drafts = tuple(
            ArtifactDraft(
                kind=one["kind"], name=one["name"], content=one["content_base64"], facts=one["facts"],
                media_type=one["media_type"], is_final=one["is_final"],
            )
            for one in said["artifacts"]
        )  # fmt: skip
        finish_attempt(pk, Outcome(kind="done", result=said["result"], artifacts=drafts))
        return _shown(pk)

    @verb(may=DOERS, takes=FailedIn, gives=AttemptOut)
    def fail(self, caller: Caller, said: Told, pk: UUID) -> Attempt:
        """End it without a result."""
        _check_mine(caller, pk)
        finish_attempt(pk, Outcome(kind="failed", error=said["error"], error_class=said["error_class"]))
        return _shown(pk)

    @verb(may=DOERS, takes=ChildrenIn, gives=Children, status=201)
    def subtasks(self, caller: Caller, said: Told, pk: UUID) -> list[Task]:
        """Give its task children that it does not wait for; the same keys again are the same children."""
        _check_mine(caller, pk)
        made = spawn_children(pk, [spec_of(one, key=one["key"]) for one in said["tasks"]])
        return list(shown_tasks().filter(pk__in=[one.pk for one in made]).order_by("pk"))

    @verb(may=DOERS, takes=ChildrenIn, gives=AttemptOut)
    def wait_for_children(self, caller: Caller, said: Told, pk: UUID) -> Attempt:
        """End it; the task's next attempt begins with the results of these children."""
        _check_mine(caller, pk)
        children = tuple(spec_of(one, key=one["key"]) for one in said["tasks"])
        finish_attempt(pk, Outcome(kind="wants_children", children=children))
        return _shown(pk)


def _shown(pk: UUID) -> Attempt:
    return Attempt.objects.with_costs().select_related("agent").get(pk=pk)


def worker_of(caller: Caller) -> str:
    """Return under which name a caller holds tasks."""
    return f"rest:{caller.key}"


def _check_mine(caller: Caller, attempt_id: UUID) -> None:
    """Let an agent speak for its own attempt alone, and a worker for what it claimed.

    Raises:
        NotYours: it is somebody else's.
    """
    claimed = Attempt.objects.filter(pk=attempt_id, worker=worker_of(caller))
    if caller.attempt_id != attempt_id and not claimed.exists():
        raise NotYours(attempt=attempt_id)


class ClaimIn(Said):
    """From which queues."""

    queues = serializers.ListField(
        child=serializers.ChoiceField(choices=Queue.Name.choices),
        default=["cloud"],
        max_length=len(Queue.Name),
    )


class ClaimDoor(Door):
    """Work for workers from afar."""

    noun = "claims"
    serializer_class = AssignmentOut

    @verb(may=frozenset({WORKER}), takes=ClaimIn, gives=AssignmentOut, is_secret=True, may_be_none=True)
    def create(self, caller: Caller, said: Told) -> Assignment | None:
        """Take the first task that is admitted; it must be begun within a minute."""
        return claim_task(worker=worker_of(caller), queues=said["queues"])


class TaskEventDoor(Rows):
    """Every change of a task, who made it and why."""

    serializer_class = TaskEventOut
    queryset = TaskEvent.objects.all()
    filterset_fields = ("task", "task__dag", "new")
    lookup_value_converter = "int"


class ArtifactDoor(Rows):
    """What attempts made."""

    serializer_class = ArtifactOut
    queryset = Artifact.objects.select_related("blob")
    filterset_fields = ("attempt", "attempt__task", "kind", "is_final", "blob")

    @extend_schema(responses={(200, Bytes.media_type): OpenApiTypes.BINARY})
    @action(detail=True, renderer_classes=[Bytes])
    def content(self, request: Request, pk: UUID) -> Response:
        """Give its bytes, checked against their SHA-256; a browser keeps them, it does not show them."""
        artifact = get_object_or_404(Artifact.objects.exclude(blob=None), pk=pk)
        headers = {"Content-Disposition": f'attachment; filename="{artifact.pk}"'}
        return Response(read_blob(str(artifact.blob_id)), headers=headers)


class RetryIn(Said):
    """A note for the record, and a new brief where one is needed."""

    note = serializers.CharField(max_length=2_000, required=False, default="", allow_blank=True)
    brief = serializers.CharField(max_length=100_000, required=False, default="", allow_blank=True)


class DropIn(Said):
    """A note for the record, and whether what waits for it ends too."""

    note = serializers.CharField(max_length=2_000, required=False, default="", allow_blank=True)
    with_dependents = serializers.BooleanField(default=False)


class DeadLetterDoor(Rows):
    """Tasks the factory gave up, and the ways out."""

    serializer_class = DeadLetterOut
    queryset = DeadLetter.objects.all()
    filterset_fields = ("task", "resolution", "error_class", "is_poison")

    @verb(may=KEEPERS, takes=RetryIn, gives=DeadLetterOut)
    def retry(self, caller: Caller, said: Told, pk: UUID) -> DeadLetter:
        """Put it back into the queue, with a new brief where one is given."""
        retry_dead_letter(pk, by=caller.name, note=said["note"], brief=said["brief"])
        return DeadLetter.objects.get(pk=pk)

    @verb(may=KEEPERS, takes=DropIn, gives=DeadLetterOut)
    def cancel(self, caller: Caller, said: Told, pk: UUID) -> DeadLetter:
        """End it for good."""
        letter = get_object_or_404(DeadLetter, pk=pk, resolution="")
        cancel_task(
            letter.task_id, by=caller.name, reason=said["note"], with_dependents=said["with_dependents"]
        )
        letter.refresh_from_db()
        return letter


class QueueDoor(Rows):
    """Queues, by the workers they are for."""

    serializer_class = QueueOut
    queryset = Queue.objects.all()
    lookup_field = "name"
    lookup_value_converter = "slug"

    @verb(may=KEEPERS, gives=QueueOut)
    def pause(self, caller: Caller, said: Told, name: str) -> Queue:
        """Let none of its tasks be claimed; what runs goes on."""
        pause_queue(self.get_object().name, by=caller.name)
        return Queue.objects.get(name=name)

    @verb(may=OWNERS, gives=QueueOut)
    def resume(self, caller: Caller, said: Told, name: str) -> Queue:
        """Let its tasks be claimed again."""
        unpause_queue(self.get_object().name, by=caller.name)
        return Queue.objects.get(name=name)
