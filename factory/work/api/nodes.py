"""REST doors of nodes: a host without a database fetches its jobs here and brings the results."""

import base64
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, NoReturn

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.views import APIView

from core.api.callers import READERS, Bearer, Caller, bearer_of, caller_of
from core.api.reading import Said
from core.api.routes import Doors
from core.api.rows import Pace, Row, Rows, verb
from core.registry import ArtifactDraft, Assignment, Outcome
from core.services.replies import count_call
from factory.work.errors import NodeRefused
from factory.work.models import Node
from factory.work.services import beat_for_node, fetch_for_node, finish_for_node, node_of
from factory.work.services.nodes import PREFIX

Told = Mapping[str, Any]
NODES = frozenset({"node"})
CALLS_PER_MINUTE = 1_200


class NodeAuthentication(Bearer):
    """Keys of nodes."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, Caller] | None:
        """Return the node; None when this is another kind of token.

        Raises:
            NodeRefused: nobody's key, or it was revoked, or it is too old.
        """
        key = bearer_of(request)
        if not key.startswith(PREFIX):
            return None
        node = node_of(key)
        return AnonymousUser(), Caller(name=f"node:{node.name}", role="node", key=f"node:{node.pk}")


class NodePace(Pace):
    """A node calls twice a job."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Count the call."""
        count_call(caller_of(request).key, at_most=CALLS_PER_MINUTE)
        return True


class NodeOut(Row[Node]):
    """One host of the `gpu` queue, without its key."""

    class Meta:
        """What is shown."""

        model = Node
        fields = ("id", "name", "admitted_by", "admitted_at", "expires_at", "revoked_at", "seen_at", "facts")


class JobOut(serializers.Serializer[Any]):
    """One `gpu` job, complete in itself; its id is the fence under which its result is taken."""

    id = serializers.UUIDField()
    reuse_key = serializers.UUIDField()
    kind = serializers.CharField()
    title = serializers.CharField()
    brief = serializers.CharField()
    inputs = serializers.DictField()
    answer_schema = serializers.DictField(allow_null=True)
    seconds = serializers.IntegerField(help_text="How long it may take.")
    beat_s = serializers.FloatField(help_text="How often a beat is expected.")
    last_error = serializers.CharField()
    correlation_id = serializers.UUIDField(allow_null=True)


class FetchOut(serializers.Serializer[Any]):
    """The next job, or none."""

    job = JobOut(allow_null=True)


class BeatIn(Said):
    """What a node says of itself, and which job it does."""

    attempt_id = serializers.UUIDField(required=False, allow_null=True, default=None)
    facts = serializers.DictField(required=False, default=dict)


class BeatOut(serializers.Serializer[Any]):
    """Whether the job it does is still its own."""

    may_go_on = serializers.BooleanField()


class ArtifactIn(Said):
    """One thing the job made."""

    kind = serializers.CharField(max_length=40)
    name = serializers.CharField(max_length=200)
    content = serializers.CharField(required=False, allow_null=True, default=None, help_text="Base64.")
    facts = serializers.DictField(required=False, default=dict)
    media_type = serializers.CharField(max_length=80, default="application/json")
    is_final = serializers.BooleanField(default=False)

    def validate_content(self, text: str | None) -> bytes | None:
        """Return the bytes."""
        try:
            return None if text is None else base64.b64decode(text, validate=True)
        except ValueError:
            raise serializers.ValidationError(["Not Base64."]) from None


class FinishIn(Said):
    """How the job ended."""

    attempt_id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=["done", "failed", "stopped"])
    result = serializers.DictField(required=False, default=dict)
    error = serializers.CharField(required=False, allow_blank=True, default="", max_length=20_000)
    error_class = serializers.CharField(required=False, allow_blank=True, default="", max_length=20)
    artifacts = ArtifactIn(many=True, required=False, default=list)


class NodeDoor(Rows):
    """Hosts of the `gpu` queue."""

    serializer_class = NodeOut
    queryset = Node.objects.all()
    may = READERS

    def get_throttles(self) -> list[Any]:
        """A node may call more often than a person."""
        return [NodePace()] if self._is_for_nodes else super().get_throttles()

    def permission_denied(
        self, request: Request, message: str | None = None, code: str | None = None
    ) -> NoReturn:
        """Say plainly at a node's verbs that only a node's key opens them. Source: R-13.2."""
        if self._is_for_nodes:
            raise NodeRefused
        super().permission_denied(request, message, code)

    @property
    def _is_for_nodes(self) -> bool:
        return getattr(self, "action", "") in ("fetch", "beat", "finish")

    @verb(may=NODES, gives=FetchOut, is_one=False)
    def fetch(self, caller: Caller, said: Told) -> Told:
        """Fetch the next job; it must be kept alive by beats until it is finished."""
        assignment = fetch_for_node(_node_of(caller))
        return {"job": None if assignment is None else _job_of(assignment)}

    @verb(may=NODES, takes=BeatIn, gives=BeatOut, is_one=False)
    def beat(self, caller: Caller, said: Told) -> Told:
        """Say that the node lives, and keep its job alive."""
        may_go_on = beat_for_node(_node_of(caller), attempt_id=said["attempt_id"], facts=said["facts"])
        return {"may_go_on": may_go_on}

    @verb(may=NODES, takes=FinishIn, gives=None, is_one=False)
    def finish(self, caller: Caller, said: Told) -> None:
        """Bring the result of a job; one that is no longer the node's is refused and changes nothing."""
        outcome = Outcome(
            kind=said["kind"],
            result=said["result"],
            artifacts=tuple(ArtifactDraft(**one) for one in said["artifacts"]),
            error=said["error"],
            error_class=said["error_class"],
        )
        finish_for_node(_node_of(caller), attempt_id=said["attempt_id"], outcome=outcome)


def _node_of(caller: Caller) -> Node:
    return Node.objects.get(pk=caller.key.removeprefix("node:"))


def _job_of(assignment: Assignment) -> Told:
    """A node is told what to do, never with which rights or whose money."""
    return {**asdict(assignment), "seconds": assignment.limits.seconds, "beat_s": settings.LEASE_S / 3}


DOORS: Doors = {"nodes": NodeDoor}
