"""What a monitor reads: every number of the sheet, from rows, bounded, for this machine or a token alone."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from agents.gateway.models import Call
from core.services import found_installation, issue_device_token, stop_everything
from factory.insight.rules.measures import LABELS, Family, Sample, bounded, labels_of
from factory.insight.services import families_now
from factory.work.models import Attempt
from tests.builders import a_user
from tests.callers import ask, asked, bearer, device_of
from tests.factory.console.build import a_call
from tests.factory.console.story import Story, a_story

WANTED = {
    "factory_prompt_tokens", "factory_completion_tokens", "factory_cached_tokens", "factory_reasoning_tokens",
    "factory_calls_cost_microusd", "factory_calls", "factory_call_seconds", "factory_budget_left_microusd",
    "factory_budget_used_share", "factory_pace_microusd_per_minute", "factory_switches", "factory_tasks",
    "factory_steps", "factory_steps_per_attempt", "factory_escalations", "factory_queue_depth",
    "factory_queue_oldest_wait_seconds", "factory_queue_wait_seconds", "factory_dead_letters",
    "factory_heartbeats_missed", "factory_events", "factory_approvals", "factory_fallbacks",
}  # fmt: skip


@pytest.fixture
def story(db: None) -> Story:
    """Return a factory in which something happened."""
    return a_story()


def read(client: Client) -> dict[str, float]:
    """Return every series by its name and labels, as a monitor parses it."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain; version=0.0.4")
    return {
        f"{sample.name}{sorted(sample.labels.items())}": sample.value
        for family in text_string_to_metric_families(answer.content.decode())
        for sample in family.samples
    }


def names(client: Client) -> set[str]:
    """Return the names of all families."""
    text = client.get("/metrics").content.decode()
    return {family.name for family in text_string_to_metric_families(text)}


def test_a_monitor_finds_every_number_of_the_sheet(story: Story) -> None:
    assert names(Client()) >= WANTED


def test_calls_tokens_and_cost_are_those_of_the_rows(story: Story) -> None:
    rex = Call.objects.filter(agent="Rex")

    told = read(Client())

    labels = [("agent", "Rex"), ("model", "north-1"), ("provider", "northlight")]
    assert told[f"factory_calls_total{[*labels, ('state', 'answered')]}"] == rex.count()
    assert told[f"factory_calls_cost_microusd_total{labels}"] == rex.total_microusd()
    assert told[f"factory_prompt_tokens_total{labels}"] == 12_400 * rex.count()


def test_a_call_counts_when_it_has_ended_and_is_open_until_then(story: Story) -> None:
    labels = [("agent", "Rex"), ("model", "north-1"), ("provider", "northlight")]
    answered = f"factory_calls_total{[*labels, ('state', 'answered')]}"
    ended = Call.objects.filter(agent="Rex").count()
    call = a_call(Attempt.objects.filter(agent__name="Rex").latest("n"), cost=10)
    Call.objects.filter(pk=call.pk).update(
        status="open", cost_microusd=None, ended_at=None, started_at=timezone.now() - timedelta(days=1)
    )

    before = read(Client())
    Call.objects.filter(pk=call.pk).update(
        status="answered", cost_microusd=10, ended_at=timezone.now(), started_at=timezone.now()
    )
    after = read(Client())

    assert not [name for name in before if name.startswith("factory_calls_total") and "open" in name]
    assert (before[f"factory_calls_open{labels}"], before[answered]) == (1, ended)
    assert (after.get(f"factory_calls_open{labels}"), after[answered]) == (None, ended + 1)


def test_latency_is_a_histogram_that_counts_up(story: Story) -> None:
    Call.objects.filter(agent="Rex").update(
        started_at=timezone.now() - timedelta(seconds=4), ended_at=timezone.now()
    )

    told = read(Client())

    labels = "('model', 'north-1'), ('provider', 'northlight')"
    counts = [told[f"factory_call_seconds_bucket[('le', '{le}'), {labels}]"] for le in (2.5, 5.0, 300.0)]
    assert counts == sorted(counts)
    assert counts[1] - counts[0] == Call.objects.filter(agent="Rex").count()
    assert told[f"factory_call_seconds_bucket[('le', '+Inf'), {labels}]"] == Call.objects.count()


def test_only_the_labels_of_the_sheet_are_used(story: Story) -> None:
    used = {name for family in families_now() for sample in family.samples for name, _ in sample.labels}

    assert used <= set(LABELS)


def test_a_stop_is_a_switch(story: Story) -> None:
    before = read(Client())["factory_switches[('state', 'global')]"]

    stop_everything(by="test", reason="to see it")

    assert before == 0
    assert read(Client())["factory_switches[('state', 'global')]"] == 1


def test_more_rows_cost_no_more_questions(story: Story) -> None:
    with CaptureQueriesContext(connection) as few:
        families_now()
    for attempt in Attempt.objects.exclude(agent=None):
        a_call(attempt, cost=10)
    a_story("Daylight")
    with CaptureQueriesContext(connection) as many:
        families_now()

    assert len(many) == len(few)


def test_a_stranger_gets_no_number_whatever_a_header_claims(db: None) -> None:
    found_installation("rehearsal")
    far = Client(REMOTE_ADDR="203.0.113.9")
    through_a_proxy = Client(REMOTE_ADDR="127.0.0.1", headers={"X-Forwarded-For": "127.0.0.1"})

    answers = [far.get("/metrics"), through_a_proxy.get("/metrics"), bearer("fd_nobodys").get("/metrics", REMOTE_ADDR="203.0.113.9")]  # fmt: skip

    assert [answer.status_code for answer in answers] == [401, 401, 401]
    assert not any(b"factory_" in answer.content for answer in answers)


def test_a_token_of_a_viewer_opens_it_from_afar_and_of_a_worker_does_not(db: None) -> None:
    found_installation("rehearsal")
    _, viewers = issue_device_token(a_user(), name="monitor", role="viewer", by="test")
    _, workers = issue_device_token(a_user(name="w"), name="host", role="worker", by="test")

    answers = [bearer(secret).get("/metrics", REMOTE_ADDR="203.0.113.9") for secret in (viewers, workers)]

    assert [answer.status_code for answer in answers] == [200, 401]


SAMPLES = st.lists(
    st.builds(Sample, st.integers(0, 50).map(lambda n: labels_of(product=f"p{n}")), st.integers(0, 1_000)),
    max_size=60,
)


@given(st.lists(SAMPLES, min_size=1, max_size=8), st.integers(20, 200))
def test_no_more_series_than_allowed_and_nothing_lost_from_a_sum(
    found: list[list[Sample]], most: int
) -> None:
    families = [Family(f"f{n}", "counter", "", tuple(samples)) for n, samples in enumerate(found)]

    kept = bounded(families, most=most)

    assert sum(one.series for one in kept) <= most
    assert [sum(s.value for s in one.samples) for one in kept] == [
        sum(s.value for s in one.samples) for one in families
    ]


def test_what_is_merged_says_so_and_the_largest_stay() -> None:
    many = Family("f", "gauge", "", tuple(Sample(labels_of(product=f"p{n}"), n) for n in range(100)))

    [kept] = bounded([many], most=10)

    assert [dict(sample.labels)["product"] for sample in kept.samples] == [
        *(f"p{n}" for n in range(99, 90, -1)), "other",
    ]  # fmt: skip
    assert kept.samples[-1].value == sum(range(91))


def test_histograms_merge_bucket_by_bucket() -> None:
    one = Sample(labels_of(model="a"), 3.0, ((1.0, 1), (5.0, 2)), 2)
    two = Sample(labels_of(model="b"), 9.0, ((1.0, 0), (5.0, 1)), 3)

    [kept] = bounded([Family("f", "histogram", "", (one, two))], most=6)

    assert kept.samples == (Sample(labels_of(model="other"), 12.0, ((1.0, 1), (5.0, 3)), 5),)


@pytest.mark.parametrize(
    ("by", "key"), [("agent", "Rex"), ("model", "north-1"), ("provider", "northlight"), ("hour", "")]
)
def test_use_of_models_is_told_by_what_was_asked(story: Story, by: str, key: str) -> None:
    rows = asked(device_of(story.owner), f"call-metrics?by={by}")

    assert sum(row["calls"] for row in rows) == Call.objects.count()
    assert sum(row["cost_microusd"] for row in rows) == Call.objects.total_microusd()
    assert key in "".join(row["key"] for row in rows)


@pytest.mark.parametrize("query", ["by=story", "hours=0", "hours=999999", "since=x"])
def test_a_strange_question_about_use_is_refused(story: Story, query: str) -> None:
    assert ask(device_of(story.owner), f"call-metrics?{query}").status_code == 400
