"""What waits to be told, as observations: the rows of many tries with the same few questions."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from uuid import UUID

from django.conf import settings

from agents.gateway.models import Call
from agents.runtime.models import Session, ToolCall, Turn
from core.ids import new_id
from factory.insight.models import ExportItem
from factory.insight.rules.observations import Observation, Score
from factory.insight.rules.spans import Span
from factory.insight.services.spans import Rows, call_span, graph_span, spans_in, task_span
from factory.quality.models import Verdict
from factory.work.models import Attempt, Dag

Kind = ExportItem.Kind
Told = tuple[list[Observation], list[Score]]


def told_of(items: Sequence[ExportItem]) -> Told:
    """Return what is told of these; what is no longer there is told of no more."""
    refs = {kind: [item.ref for item in items if item.kind == kind] for kind in Kind.values}
    observations = [
        *_of_attempts(refs[Kind.ATTEMPT]),
        *_of_calls(refs[Kind.CALL]),
        *_of_graphs(refs[Kind.GRAPH]),
    ]
    unique = {one.span.id: one for one in observations}
    return list(unique.values()), _scores(refs[Kind.SCORE])


def _story(graph: Dag) -> UUID:
    return graph.correlation_id or graph.pk


def _in_story(span: Span, graph: Dag, *, said: str = "", answered: str = "") -> Observation:
    product = graph.product
    return Observation(
        span=span, story=_story(graph), title=product.name if product else graph.title,
        product=product.slug if product else "", said=said, answered=answered, environment=settings.MODE,
    )  # fmt: skip


def _of_attempts(ids: Collection[UUID]) -> Iterable[Observation]:
    """Yield tries with their answers, calls and tools, and each task that is over."""
    rows = _rows(ids)
    graphs = {attempt.pk: attempt.task.dag for attempt in rows.attempts}
    for task in {
        attempt.task_id: attempt.task for attempt in rows.attempts if attempt.task.is_final
    }.values():
        parent = task.parent_id or task.dag_id
        yield _in_story(task_span(task, parent_id=parent), task.dag, said=task.brief)
    nowhere = Span(id=new_id(), kind="objective", name="")
    spans = list(spans_in(nowhere, rows))
    home = {span.id: span.parent_id for span in spans}
    texts = _texts(rows)
    for span in spans:
        attempt_id = _attempt_of(span, home=home, known=graphs)
        if attempt_id is not None:
            said, answered = texts.get(span.id, ("", ""))
            yield _in_story(span, graphs[attempt_id], said=said, answered=answered)


def _attempt_of(span: Span, *, home: Mapping[UUID, UUID | None], known: Mapping[UUID, Dag]) -> UUID | None:
    at: UUID | None = span.id
    while at is not None and at not in known:
        at = home.get(at)
    return at


def _rows(ids: Collection[UUID]) -> Rows:
    attempts = Attempt.objects.filter(pk__in=ids).select_related("agent", "task__agent", "task__dag__product")
    sessions = Session.objects.filter(assignment_id__in=ids).select_related("agent", "agent_version")
    turns = Turn.objects.filter(session__assignment_id__in=ids).order_by("at", "number")
    uses = ToolCall.objects.filter(turn__session__assignment_id__in=ids).order_by("pk")
    calls = Call.objects.filter(assignment_id__in=ids).select_related("model").order_by("started_at", "pk")
    return Rows(
        attempts=list(attempts), sessions=list(sessions), turns=list(turns), uses=list(uses), calls=list(calls)
    )  # fmt: skip


def _texts(rows: Rows) -> dict[UUID, tuple[str, str]]:
    """Return what went into each span and what came out of it."""
    briefs = {attempt.pk: (attempt.task.brief, str(attempt.result or "")) for attempt in rows.attempts}
    answers = {turn.pk: ("", turn.text) for turn in rows.turns}
    paid = {turn.call_id: ("", turn.text) for turn in rows.turns if not turn.is_replayed}
    tools = {use.pk: (str(use.arguments or ""), use.result) for use in rows.uses}
    return {**briefs, **answers, **paid, **tools}


def _of_calls(ids: Collection[UUID]) -> Iterable[Observation]:
    for call in Call.objects.filter(pk__in=ids).select_related("model"):
        yield Observation(
            span=call_span(call, parent_id=None),
            story=call.correlation_id or call.assignment_id,
            title=call.task_type,
            environment=settings.MODE,
        )


def _of_graphs(ids: Collection[UUID]) -> Iterable[Observation]:
    """Yield graphs that are over, each with the story it belongs to."""
    for graph in Dag.objects.filter(pk__in=ids).select_related("product"):
        story = _story(graph)
        root = Span(
            id=story, kind="objective", name=graph.product.name if graph.product else graph.title,
            started_at=graph.created_at, ended_at=graph.closed_at,
        )  # fmt: skip
        if story != graph.pk:
            yield _in_story(root, graph)
        yield _in_story(graph_span(graph, parent_id=story if story != graph.pk else None), graph)


def _scores(ids: Collection[UUID]) -> list[Score]:
    found = Verdict.objects.filter(pk__in=ids).select_related("artifact__attempt__task__dag", "reviewer")
    return [
        Score(
            id=one.pk,
            story=_story(one.artifact.attempt.task.dag),
            span_id=one.artifact.attempt_id,
            name="verdict",
            value=float(one.passed),
            comment=f"{one.reviewer.name}: {'; '.join(one.reasons) or 'passed'}",
            at=one.at.isoformat(),
        )
        for one in found
    ]
