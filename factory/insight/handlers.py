"""What is over and may be told to a trace store; without one these facts are handled by nobody, and cost nothing."""

from uuid import UUID

from django.conf import settings

from agents.gateway.models import Call
from core.models import Event
from core.services import handles
from factory.insight.models import ExportItem
from factory.insight.services import queue_export
from factory.work.models import Attempt

Kind = ExportItem.Kind


def attempt_is_over(event: Event) -> None:
    """Its answers, calls and tools are told with it."""
    queue_export(Kind.ATTEMPT, UUID(event.facts["attempt_id"]))


def call_is_settled(event: Event) -> None:
    """A call of an attempt is told with it; any other by itself."""
    call_id = UUID(event.facts["call_id"])
    assigned = Call.objects.filter(pk=call_id).values("assignment_id")
    if not Attempt.objects.filter(pk__in=assigned).exists():
        queue_export(Kind.CALL, call_id)


def graph_is_over(event: Event) -> None:
    """With it the story so far."""
    queue_export(Kind.GRAPH, UUID(event.facts["dag_id"]))


def verdict_was_given(event: Event) -> None:
    """A score of the try that made it."""
    queue_export(Kind.SCORE, UUID(event.facts["verdict_id"]))


TOLD = {
    "work.attempt_finished": attempt_is_over,
    "gateway.call_settled": call_is_settled,
    "work.graph_completed": graph_is_over,
    "work.graph_failed": graph_is_over,
    "work.graph_cancelled": graph_is_over,
    "quality.verdict_given": verdict_was_given,
}
if settings.LANGFUSE_URL:
    for kind, handler in TOLD.items():
        handles(kind)(handler)
