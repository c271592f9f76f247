"""The trace of a story: every span hangs where it belongs, sums add up, and long ones come in pages."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from agents.gateway.models import Call
from agents.runtime.models import Session, ToolCall, Turn
from core.ids import first_id_of, new_id
from core.services import put_blob
from factory.insight.services import Trace, trace_of, traces
from factory.work.models import Attempt
from factory.work.rules import TaskSpec
from tests.builders import a_graph, an_agent
from tests.factory.console.build import a_call, an_attempt
from tests.factory.console.story import Story, a_story

pytestmark = pytest.mark.django_db


def shown(story: UUID | None, **said: Any) -> Trace:
    """Return the trace, which must be there."""
    assert story is not None
    found = trace_of(story, **said)
    assert found is not None
    return found


def parents(trace: Trace) -> dict[str, str]:
    """Return under what each span hangs, by kind and name."""
    names = {span.id: f"{span.kind} {span.name}" for span in trace.spans}
    return {names[span.id]: names.get(span.parent_id, "") for span in trace.spans if span.parent_id}


def an_engine_run(*, turns: int = 2, uses: int = 2) -> Attempt:
    """Return an attempt of Rex with this many turns, each of one call that failed and one that answered."""
    agent = an_agent("Rex")
    graph = a_graph(TaskSpec(key="api", title="Write the API", agent="Rex", type="write"))
    attempt = an_attempt(graph, "api", n=1)
    session = Session.objects.create(
        assignment_id=attempt.pk, reuse_key=attempt.task_id, agent=agent, agent_version=agent.version,
        prompt=put_blob(b"You are Rex."), title="Write the API", state="done", ended_at=timezone.now(),
    )  # fmt: skip
    for number in range(1, turns + 1):
        _a_turn(session, attempt, number=number, uses=uses)
    return attempt


def _a_turn(session: Session, attempt: Attempt, *, number: int, uses: int) -> None:
    failed, answered = a_call(attempt, cost=10), a_call(attempt, cost=1_000)
    Call.objects.filter(pk=failed.pk).update(step_key=f"step-{number}", status="failed", cost_microusd=0)
    Call.objects.filter(pk=answered.pk).update(step_key=f"step-{number}", fallback_from=failed.pk)
    turn = Turn.objects.create(
        session=session, number=number, call_id=answered.pk, provider="northlight", model="north-1", tier="mid",
        prompt_tokens=12_400, completion_tokens=1_830, cost_microusd=1_000, stop="tools",
    )  # fmt: skip
    for place in range(uses):
        ToolCall.objects.create(
            turn=turn, tool="read_file", arguments={"path": f"a{place}.py"}, result="", outcome="done"
        )


def test_every_piece_of_a_story_hangs_where_it_belongs() -> None:
    attempt = an_engine_run(turns=1, uses=1)

    trace = shown(attempt.task.dag.correlation_id)

    assert [span.kind for span in trace.spans] == [
        "objective", "graph", "task", "attempt", "turn", "call", "call", "tool",
    ]  # fmt: skip
    assert [span.depth for span in trace.spans] == [0, 1, 2, 3, 4, 5, 5, 5]
    assert parents(trace)["tool read_file"] == "turn Answer 1"
    assert trace.total == len(trace.spans)
    assert trace.lost == 0


def test_what_stands_below_adds_up_above() -> None:
    attempt = an_engine_run(turns=3)

    trace = shown(attempt.task.dag.correlation_id)

    by_kind = {span.kind: span for span in reversed(trace.spans)}
    assert {by_kind[kind].cost_microusd for kind in ("objective", "graph", "task", "attempt")} == {3_000}
    assert by_kind["turn"].cost_microusd == 1_000
    assert trace.cost_microusd == 3_000
    assert by_kind["attempt"].prompt_tokens == 6 * 12_400


def test_an_attempt_says_by_which_prompt_and_what_its_judge_said(story: Story) -> None:
    trace = shown(story.product.correlation_id)

    tries = [span for span in trace.spans if span.kind == "attempt"]
    assert {span.score for span in tries} == {None, 1.0}
    assert any(len(span.prompt_version) == 64 for span in tries)


def test_a_call_of_an_unknown_attempt_is_shown_and_counted() -> None:
    attempt = an_engine_run(turns=1)
    lost = a_call(attempt, cost=70)
    Call.objects.filter(pk=lost.pk).update(assignment_id=new_id())

    trace = shown(attempt.task.dag.correlation_id)

    [span] = [span for span in trace.spans if span.id == lost.pk]
    assert span.is_lost
    assert span.parent_id == trace.id
    assert trace.lost == 1
    assert trace.spans[0].cost_microusd == trace.cost_microusd == 1_070


def test_a_session_of_an_unknown_attempt_hangs_under_its_task_and_is_counted() -> None:
    attempt = an_engine_run(turns=1)
    Session.objects.update(assignment_id=new_id())

    trace = shown(attempt.task.dag.correlation_id)

    [span] = [span for span in trace.spans if span.is_lost]
    assert span.parent_id == attempt.task_id
    assert trace.lost == 1
    assert trace.total == len(trace.spans)


def test_an_answer_told_again_costs_nothing_and_claims_no_call() -> None:
    attempt = an_engine_run(turns=1)
    session = Session.objects.get()
    Turn.objects.create(
        session=session, number=2, call_id=Turn.objects.get().call_id, provider="northlight", model="north-1",
        tier="mid", cost_microusd=0, stop="end", is_replayed=True,
    )  # fmt: skip

    trace = shown(attempt.task.dag.correlation_id)

    [again] = [span for span in trace.spans if span.status == "replayed"]
    assert again.cost_microusd is None
    assert trace.spans[0].cost_microusd == 1_000


def test_a_tool_began_before_it_ended() -> None:
    attempt = an_engine_run(turns=1, uses=1)
    ToolCall.objects.update(duration_ms=1_500)

    trace = shown(attempt.task.dag.correlation_id)

    [tool] = [span for span in trace.spans if span.kind == "tool"]
    assert tool.seconds == pytest.approx(1.5)
    assert tool.ended_at is not None
    assert (
        first_id_of(tool.ended_at)
        <= ToolCall.objects.get().id
        < first_id_of(tool.ended_at + timedelta(milliseconds=2))
    )
    assert tool.words == "a0.py"


def test_a_long_story_comes_in_pages_that_hold_every_span_once(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traces, "MOST_SPANS", 8)
    first = shown(story.product.correlation_id)

    pages = [shown(story.product.correlation_id, page=number + 1) for number in range(first.pages)]

    found = [span.id for page in pages for span in page.spans if span.kind not in ("objective", "graph")]
    graphs = {span.id for page in pages for span in page.spans if span.kind == "graph"}
    assert first.pages > 1
    assert len(found) == len(set(found)) == first.total - len(graphs) - 1


def test_one_task_alone(story: Story) -> None:
    task = story.build.tasks.get(key="core")

    trace = shown(story.product.correlation_id, task_id=task.pk)

    assert [span.id for span in trace.spans if span.kind == "task"] == [task.pk]
    assert trace.pages == 1


def test_a_story_of_nothing_has_no_trace() -> None:
    assert trace_of(new_id()) is None


def test_ten_times_the_spans_cost_no_more_questions(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    attempt = an_engine_run(turns=1)
    story = attempt.task.dag.correlation_id
    asked = _questions(lambda: shown(story))
    for number in range(2, 22):
        _a_turn(Session.objects.get(), attempt, number=number, uses=3)

    with django_assert_num_queries(asked):
        trace = shown(story)

    assert len(trace.spans) > 100


def _questions(ask: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as asked:
        ask()
    return len(asked)


@pytest.fixture
def story(db: None) -> Story:
    """Return a factory in which something happened."""
    return a_story()
