"""Traces told to a Langfuse: decoded as it decodes them, redacted, bounded, and never in anybody's way."""

import json
import socket
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine
from django.db import connection
from django.utils import timezone
from langfuse._client.attributes import LangfuseOtelSpanAttributes
from langfuse.api.core.serialization import convert_and_respect_annotation_metadata
from langfuse.api.scores import CreateScoreRequest
from pytest_django import Settings

from agents.gateway.models import Call
from agents.roster.models import Agent
from agents.runtime.models import ToolCall, Turn
from core.ids import new_id
from core.models import Event
from core.registry import run_checks
from core.services import outbox
from factory.insight.adapters import langfuse
from factory.insight.adapters.langfuse import SPANS, Target
from factory.insight.handlers import TOLD
from factory.insight.models import Export, ExportItem
from factory.insight.rules.observations import MOST_OF_A_NAME
from factory.insight.services import exports, observations, queue_export
from factory.insight.services.exports import target, tell_some
from factory.quality.models import Verdict
from factory.work.models import Attempt, Dag, Task
from portfolio.models import Product
from tests.factory.console.story import Story, a_story
from tests.factory.insight.receiver import Receiver, basic, receiving

Kind = ExportItem.Kind
KEY = "sk-ant-abcdefgh12345678"


@pytest.fixture
def story(db: None) -> Story:
    """Return a factory in which something happened, with something to hide."""
    said = a_story()
    ToolCall.objects.filter(tool="run").update(
        arguments={"command": f"mail ada@example.org {KEY}"}, result=f"401 for {KEY}"
    )
    Turn.objects.filter(number=1).update(text=f"I write to ada@example.org with {KEY}.")
    return said


@pytest.fixture
def store(settings: Settings) -> Iterator[Receiver]:
    """Give a trace store that the factory knows."""
    with receiving() as store:
        settings.LANGFUSE_URL = store.url
        settings.LANGFUSE_PUBLIC_KEY, settings.LANGFUSE_SECRET_KEY = "pk-lf-test", "sk-lf-test"
        yield store


def the_attempt(story: Story) -> Attempt:
    """Return the try that has a session."""
    return Attempt.objects.get(task__dag=story.build, task__key="core", n=2)


def tell() -> int:
    """Tell what waits, as if every pause were over."""
    where = target()
    assert where is not None
    Export.objects.update(next_try_at=timezone.now())
    return tell_some(where)


def test_a_try_is_told_with_its_task_answers_calls_and_tools(story: Story, store: Receiver) -> None:
    attempt = the_attempt(story)
    queue_export(Kind.ATTEMPT, attempt.pk)

    told = tell()

    assert told == 1
    kinds = [one.attributes["langfuse.observation.metadata.kind"] for one in store.spans]
    assert sorted(set(kinds)) == ["attempt", "call", "task", "tool", "turn"]
    assert {one.trace_id for one in store.spans} == {story.product.correlation_id.hex}
    ids = {one.span_id for one in store.spans}
    assert {one.parent_id for one in store.spans} - ids == {story.build.pk.bytes[8:].hex()}
    assert store.headers[0]["authorization"] == basic("pk-lf-test", "sk-lf-test")
    assert store.headers[0]["x-langfuse-ingestion-version"] == "4"
    assert not ExportItem.objects.exists()


def test_a_generation_says_model_tokens_and_cost(story: Story, store: Receiver) -> None:
    attempt = the_attempt(story)
    queue_export(Kind.ATTEMPT, attempt.pk)

    tell()

    [call] = store.named("call")
    assert call.attributes["langfuse.observation.type"] == "generation"
    assert call.attributes["langfuse.observation.model.name"] == "north-1"
    assert json.loads(call.attributes["langfuse.observation.usage_details"]) == {
        "input": 12_400,
        "output": 1_830,
    }
    assert json.loads(call.attributes["langfuse.observation.cost_details"]) == {"total": 0.618002}
    assert call.attributes["langfuse.trace.tags"] == ["product:nightwatch"]
    assert call.attributes["user.id"] == "Rex"


def test_every_attribute_is_one_that_langfuses_own_client_knows(story: Story, store: Receiver) -> None:
    for attempt in Attempt.objects.filter(task__dag=story.build):
        queue_export(Kind.ATTEMPT, attempt.pk)
    queue_export(Kind.GRAPH, story.build.pk)

    tell()

    known = {value for name, value in vars(LangfuseOtelSpanAttributes).items() if name.isupper()}
    used = {name for one in store.spans for name in one.attributes}
    assert {name for name in used if not name.startswith("langfuse.observation.metadata.")} <= known
    assert store.named("graph")[0].parent_id == store.named("objective")[0].span_id


def test_a_verdict_is_a_score_as_langfuses_own_types_read_it(story: Story, store: Receiver) -> None:
    verdict = Verdict.objects.filter(passed=False).get()
    queue_export(Kind.SCORE, verdict.pk)

    tell()

    [score] = store.scores
    plain = convert_and_respect_annotation_metadata(
        object_=score, annotation=CreateScoreRequest, direction="read"
    )
    read = CreateScoreRequest.model_validate(plain)
    assert read.value == 0
    assert read.trace_id == story.product.correlation_id.hex
    assert read.observation_id == verdict.artifact.attempt_id.bytes[8:].hex()
    assert "promises is broken" in (read.comment or "")


def test_scores_that_are_refused_one_by_one_are_counted_as_dropped(story: Story, store: Receiver) -> None:
    for verdict in Verdict.objects.all()[:2]:
        queue_export(Kind.SCORE, verdict.pk)
    store.status, store.answer = 207, b'{"successes": [{}], "errors": [{"status": 400}]}'

    waited = ExportItem.objects.count()

    assert tell() == waited == 2
    assert Export.objects.values_list("sent", "dropped").get() == (1, 1)


def test_what_cannot_be_read_is_dropped_alone(
    story: Story, store: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt, verdict = the_attempt(story), Verdict.objects.filter(passed=False).get()
    queue_export(Kind.ATTEMPT, attempt.pk)
    queue_export(Kind.SCORE, verdict.pk)

    def broken(_: object) -> object:
        raise KeyError("usage")

    monkeypatch.setattr(observations, "task_span", broken)

    assert tell() == 2
    assert (len(store.scores), store.spans) == (1, [])
    assert Export.objects.values_list("sent", "dropped").get() == (1, 1)


def test_what_cannot_be_encoded_is_dropped_alone(story: Story, store: Receiver) -> None:
    if connection.vendor == "postgresql":
        pytest.skip("PostgreSQL takes no half of a letter")
    attempt = the_attempt(story)
    uses = ToolCall.objects.filter(turn__session__assignment_id=attempt.pk)
    uses.update(arguments={"query": "half a letter \ud83d"})
    for kind, ref in ((Kind.SCORE, Verdict.objects.latest("at").pk), (Kind.ATTEMPT, attempt.pk)):
        queue_export(kind, ref)
    queue_export(Kind.GRAPH, story.build.pk)

    assert tell() == 3
    kinds = {one.attributes["langfuse.observation.metadata.kind"] for one in store.spans}
    assert kinds == {"objective", "graph", "task", "attempt", "turn", "call"}
    assert len(store.scores) == 1
    assert Export.objects.values_list("sent", "dropped").get() == (2, 1)
    assert not ExportItem.objects.exists()


def test_a_verdict_that_cannot_be_encoded_is_dropped_alone(story: Story, store: Receiver) -> None:
    if connection.vendor == "postgresql":
        pytest.skip("PostgreSQL takes no half of a letter")
    odd, sound = Verdict.objects.all()[:2]
    Verdict.objects.filter(pk=odd.pk).update(reasons=["half a letter \ud83d"])
    for verdict in (odd, sound):
        queue_export(Kind.SCORE, verdict.pk)

    assert tell() == 2
    assert [one["id"] for one in store.scores] == [str(sound.pk)]
    assert Export.objects.values_list("sent", "dropped").get() == (1, 1)


def test_a_request_is_bounded_however_much_waits(
    story: Story, store: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = the_attempt(story)
    Turn.objects.filter(session__assignment_id=attempt.pk).update(text="word " * 4_000)
    for one in Attempt.objects.filter(task__dag=story.build):
        queue_export(Kind.ATTEMPT, one.pk)
    waited = ExportItem.objects.count()
    monkeypatch.setattr(langfuse, "MOST_BYTES", 45_000)

    assert tell() == waited
    assert len(store.bodies) > 2
    assert max(map(len, store.bodies)) < 46_000
    assert len(store.named("turn")) == Turn.objects.filter(session__assignment_id=attempt.pk).count()
    assert Export.objects.values_list("sent", "dropped").get() == (waited, 0)


def test_what_is_too_large_for_the_store_is_sent_in_halves(story: Story, store: Receiver) -> None:
    attempts = Attempt.objects.filter(task__dag=story.build)
    for one in attempts:
        queue_export(Kind.ATTEMPT, one.pk)
    store.most_bytes = 2_500

    assert tell() == len(attempts)
    assert {one.span_id for one in store.named("attempt")} == {one.pk.bytes[8:].hex() for one in attempts}
    assert Export.objects.values_list("sent", "dropped").get() == (len(attempts), 0)


def test_of_what_is_too_large_even_alone_the_rest_is_sent(story: Story, store: Receiver) -> None:
    attempt = the_attempt(story)
    Turn.objects.filter(pk=Turn.objects.filter(session__assignment_id=attempt.pk).latest("at").pk).update(
        text="word " * 2_000
    )
    queue_export(Kind.ATTEMPT, attempt.pk)
    queue_export(Kind.GRAPH, story.build.pk)
    store.most_bytes = 6_000

    assert tell() == 2
    assert store.named("task")
    assert store.named("graph")
    assert Export.objects.values_list("sent", "dropped").get() == (1, 1)


def test_a_store_that_moved_is_told_when_its_address_is_mended(story: Story, store: Receiver) -> None:
    queue_export(Kind.ATTEMPT, the_attempt(story).pk)
    store.status, store.location = 308, f"https://traces.example{SPANS}"

    assert tell() == 0
    so_far = Export.objects.get()
    assert (so_far.sent, so_far.dropped, so_far.failures, ExportItem.objects.count()) == (0, 0, 1, 1)
    assert "status: 308, moved to: https://traces.example/" in so_far.words


def test_what_was_told_stays_told_though_the_store_then_falls_silent(
    story: Story, store: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for one in Attempt.objects.filter(task__dag=story.build):
        queue_export(Kind.ATTEMPT, one.pk)
    waited = ExportItem.objects.count()
    store.most_bytes = 2_500
    sent = Target.send

    def tires(self: Target, *told: Any) -> int:
        refused = sent(self, *told)
        store.status = 503
        return refused

    monkeypatch.setattr(Target, "send", tires)

    assert tell() == 0
    so_far = Export.objects.get()
    assert so_far.sent == waited - ExportItem.objects.count() > 0
    assert so_far.failures == 1


def test_nothing_secret_and_nobodys_address_leaves(story: Story, store: Receiver) -> None:
    queue_export(Kind.ATTEMPT, the_attempt(story).pk)

    tell()

    assert "I write to *** with ***." in store.text
    assert KEY not in store.text
    assert "ada@example.org" not in store.text


def test_names_of_people_and_things_are_redacted_and_short(story: Story, store: Receiver) -> None:
    attempt = the_attempt(story)
    Task.objects.filter(pk=attempt.task_id).update(title=f"Write to ada@example.org with {KEY}")
    Dag.objects.filter(pk=story.build.pk).update(title="word " * 40)
    Product.objects.filter(pk=story.product.pk).update(name=f"Mail of ada@example.org, {KEY}")
    Agent.objects.filter(name="Rex").update(name="bob@example.org")
    queue_export(Kind.ATTEMPT, attempt.pk)
    queue_export(Kind.GRAPH, story.build.pk)

    tell()

    assert KEY not in store.text
    assert "@example.org" not in store.text
    assert store.named("task")[0].name == "Write to *** with ***"
    assert len(store.named("graph")[0].name) == MOST_OF_A_NAME


def test_what_is_told_twice_is_the_same_span(story: Story, store: Receiver) -> None:
    for _ in range(2):
        queue_export(Kind.ATTEMPT, the_attempt(story).pk)
        tell()

    half = len(store.spans) // 2
    assert store.spans[:half] == store.spans[half:]


@pytest.mark.parametrize("status", [500, 503, 429, 401])
def test_a_store_out_of_order_is_told_later_with_growing_pauses(
    story: Story, store: Receiver, status: int
) -> None:
    store.status = status
    queue_export(Kind.ATTEMPT, the_attempt(story).pk)

    with time_machine.travel(timezone.now(), tick=False):
        pauses = []
        for _ in range(10):
            tell()
            pauses.append((Export.objects.get().next_try_at - timezone.now()).total_seconds())

    assert pauses == [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert ExportItem.objects.count() == 1
    assert run_checks()["traces"].state == "warn"
    store.status = 200
    assert tell() == 1
    assert run_checks()["traces"].state == "fine"


def test_nobody_tells_before_the_pause_is_over(story: Story, store: Receiver) -> None:
    store.status = 500
    queue_export(Kind.ATTEMPT, the_attempt(story).pk)
    tell()
    store.status = 200

    where = target()

    assert where is not None
    assert tell_some(where) == 0
    assert store.spans == []


def test_what_is_refused_for_good_is_dropped_counted_and_holds_up_nothing(
    story: Story, store: Receiver
) -> None:
    store.status = 413
    queue_export(Kind.ATTEMPT, the_attempt(story).pk)

    tell()

    so_far = Export.objects.get()
    assert (so_far.sent, so_far.dropped, ExportItem.objects.count()) == (0, 1, 0)


def test_an_absent_store_costs_nothing_but_a_pause(story: Story, settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    settings.LANGFUSE_URL = f"http://127.0.0.1:{port}"
    settings.LANGFUSE_PUBLIC_KEY, settings.LANGFUSE_SECRET_KEY = "pk-lf-test", "sk-lf-test"
    queue_export(Kind.ATTEMPT, the_attempt(story).pk)

    assert tell() == 0
    assert Export.objects.get().failures == 1


def test_of_too_many_the_oldest_are_dropped_and_counted(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "MOST_WAITING", 5)
    refs = [new_id() for _ in range(12)]

    for ref in refs:
        queue_export(Kind.CALL, ref)

    assert list(ExportItem.objects.order_by("pk").values_list("ref", flat=True)) == refs[-5:]
    assert Export.objects.get().dropped == 7


def test_a_call_of_no_try_is_told_by_itself_and_one_of_a_try_with_it(story: Story) -> None:
    attempt = the_attempt(story)
    of_a_try = Call.objects.get(assignment_id=attempt.pk)
    loose = Call.objects.exclude(pk=of_a_try.pk).earliest("started_at")
    Call.objects.filter(pk=loose.pk).update(assignment_id=new_id())

    for call in (of_a_try, loose):
        TOLD["gateway.call_settled"](_fact(call_id=call.pk))

    assert list(ExportItem.objects.values_list("kind", "ref")) == [(Kind.CALL, loose.pk)]


def test_what_is_gone_meanwhile_is_told_of_no_more(db: None, store: Receiver) -> None:
    for kind in Kind.values:
        queue_export(kind, new_id())

    assert tell() == 4
    assert store.spans == []


def test_without_a_store_nobody_handles_these_facts() -> None:
    handled = {
        kind for kind in TOLD for handler in outbox._handlers.get(kind, ()) if "insight" in handler.__module__
    }

    assert handled == set()


def _fact(**facts: UUID) -> Event:
    return Event(kind="x", facts={name: str(value) for name, value in facts.items()})


def test_telling_takes_a_while_but_only_one_process_at_a_time(story: Story, store: Receiver) -> None:
    queue_export(Kind.ATTEMPT, the_attempt(story).pk)
    where = target()
    assert where is not None
    Export.objects.update_or_create(pk=1, defaults={"next_try_at": timezone.now() + timedelta(seconds=30)})

    assert tell_some(where) == 0
    assert store.spans == []


@pytest.mark.django_db(transaction=True)
def test_a_store_that_hangs_holds_up_nobody(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        settings.LANGFUSE_URL = f"http://127.0.0.1:{door.getsockname()[1]}"
        settings.LANGFUSE_PUBLIC_KEY, settings.LANGFUSE_SECRET_KEY = "pk-lf-test", "sk-lf-test"
        story = a_story()
        queue_export(Kind.ATTEMPT, the_attempt(story).pk)

        exports.start_export()
        asked, _ = door.accept()
        exports.start_export()
        queue_export(Kind.GRAPH, story.build.pk)
        tellers = [one for one in threading.enumerate() if one.name == "insight-export"]
        asked.close()
        tellers[0].join(timeout=30)

    assert len(tellers) == 1
    assert ExportItem.objects.count() == 2
    assert Export.objects.get().failures == 1
