"""The page of a trace: what each role may read, what is folded, and the way to it from every page of the work."""

import json

import pytest
from django.test import Client

from agents.gateway.models import Call
from agents.roster.models import Agent
from agents.runtime.models import Note, Session, ToolCall
from core.services import put_blob
from factory.work.models import Attempt
from tests.callers import asked, call, device_of
from tests.factory.console.story import Story

pytestmark = pytest.mark.django_db
KEY = "sk-ant-abcdefgh12345678"


@pytest.fixture(scope="module")
def told(told: Story) -> Story:
    """Let an agent use what nobody may see."""
    ToolCall.objects.filter(tool="run").update(arguments={"command": f"mail ada@example.org {KEY}"})
    return told


def page_of(client: Client, story: Story, query: str = "") -> str:
    """Return the trace as this browser is shown it."""
    answer = client.get(f"/traces/{story.product.correlation_id}/{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_page_shows_tasks_tries_calls_and_bars(owner: Client, story: Story) -> None:
    page = page_of(owner, story)

    assert "Write the list of jobs" in page
    assert "Try 2" in page
    assert "north-1" in page
    assert '<rect class="s"' in page
    assert "read_file <small>jobs/due.py</small>" in page


def test_no_bar_leaves_the_axis(owner: Client, story: Story) -> None:
    page = page_of(owner, story)

    bars = [line.split('"') for line in page.split("<rect ")[1:] if ' x="' in line]
    ends = [float(one[one.index(" x=") + 1]) + float(one[one.index(" width=") + 1]) for one in bars]
    assert ends
    assert all(0 < end <= 1_000.05 for end in ends)


def test_the_owner_reads_all_an_operator_no_secret_a_viewer_numbers_alone(
    owner: Client, operator: Client, viewer: Client, story: Story
) -> None:
    told = [page_of(client, story) for client in (owner, operator, viewer)]

    assert [KEY in page for page in told] == [True, False, False]
    assert ["ada@example.org" in page for page in told] == [True, False, False]
    assert ["mail ***" in page for page in told] == [False, True, False]
    assert ["jobs/due.py" in page for page in told] == [True, True, False]
    assert all("$1.41" in page or "$1.36" in page for page in told)


def test_one_step_alone_leads_back_to_the_whole(owner: Client, story: Story) -> None:
    task = story.build.tasks.get(key="core")

    page = page_of(owner, story, f"?step={task.pk}")

    assert "Whole trace" in page
    assert "Lay out the pages" not in page


@pytest.mark.parametrize("query", ["?page=9999999999", "?page=x", "?page=-1", "?page=", "?step=none"])
def test_a_strange_page_is_a_page_all_the_same(owner: Client, story: Story, query: str) -> None:
    assert "Write the list of jobs" in page_of(owner, story, query)


def test_every_page_of_the_work_leads_to_its_trace(owner: Client, story: Story) -> None:
    address = f"/traces/{story.product.correlation_id}/"
    task = story.build.tasks.get(key="core")
    attempt = Attempt.objects.filter(task=task).latest("n")
    paid = Call.objects.filter(assignment_id=attempt.pk).latest("started_at")

    pages = [
        f"/ventures/{story.product.slug}/", f"/work/steps/{task.pk}/", f"/work/sessions/{attempt.pk}/",
        f"/money/calls/{paid.pk}/", f"/work/graphs/{story.build.pk}/",
    ]  # fmt: skip

    assert [page for page in pages if address not in owner.get(page).content.decode()] == []


def test_rest_tells_each_role_as_much_as_the_page(story: Story) -> None:
    answer = asked(device_of(story.owner), f"traces/{story.product.correlation_id}")
    viewed = asked(device_of(story.owner, role="viewer"), f"traces/{story.product.correlation_id}")

    assert answer["total"] == len(answer["spans"])
    assert KEY in json.dumps(answer)
    assert {span["words"] for span in viewed["spans"]} == {""}
    assert [span["cost_microusd"] for span in viewed["spans"]] == [
        span["cost_microusd"] for span in answer["spans"]
    ]


def test_a_session_tells_each_role_as_much_as_it_may_read(
    owner: Client, operator: Client, viewer: Client, story: Story
) -> None:
    attempt = Attempt.objects.filter(task__key="core").latest("n")
    ToolCall.objects.filter(tool="run").update(result=f"Nobody knows {KEY} of ada@example.org")

    told = [
        client.get(f"/work/sessions/{attempt.pk}/").content.decode() for client in (owner, operator, viewer)
    ]

    assert [KEY in page for page in told] == [True, False, False]
    assert ["ada@example.org" in page for page in told] == [True, False, False]
    assert ["Nobody knows" in page for page in told] == [True, True, False]
    assert ["jobs/due.py" in page for page in told] == [True, True, False]
    assert ["You are Rex" in page for page in told] == [True, True, False]


def test_rest_tells_a_viewer_no_word_of_a_turn(story: Story) -> None:
    owners = asked(device_of(story.owner), "turns")["results"]
    operators = asked(device_of(story.owner, role="operator"), "turns")["results"]
    viewers = asked(device_of(story.owner, role="viewer"), "turns")["results"]

    assert [KEY in json.dumps(rows) for rows in (owners, operators, viewers)] == [True, False, False]
    assert {row["text"] for row in viewers} == {""}
    assert {use["result"] for row in viewers for use in row["tool_calls"]} == {""}
    assert [row["prompt_tokens"] for row in viewers] == [row["prompt_tokens"] for row in owners]


def a_call_refused(story: Story) -> Call:
    """Return the newest call, whose maker said what nobody may see."""
    newest = Call.objects.of_story(story.product.correlation_id).latest("started_at")
    words = f"upstream refused {KEY} of ada@example.org"
    Call.objects.filter(pk=newest.pk).update(words=words, fault="server", status="lost")
    return newest


@pytest.mark.parametrize("page", ["/money/calls/", "/money/calls/{pk}/"])
def test_why_a_call_failed_is_told_as_each_role_may_read_it(
    owner: Client, operator: Client, viewer: Client, story: Story, page: str
) -> None:
    address = page.format(pk=a_call_refused(story).pk)

    told = [client.get(address).content.decode() for client in (owner, operator, viewer)]

    assert [KEY in one for one in told] == [True, False, False]
    assert ["ada@example.org" in one for one in told] == [True, False, False]
    assert ["upstream refused" in one for one in told] == [True, True, False]


def test_rest_tells_why_a_call_failed_as_each_role_may_read_it(story: Story) -> None:
    address = f"calls/{a_call_refused(story).pk}"

    told = [
        asked(device_of(story.owner, role=role), address)["words"] for role in ("owner", "operator", "viewer")
    ]

    assert told == [f"upstream refused {KEY} of ada@example.org", "upstream refused *** of ***", ""]


def a_session_at_work(story: Story) -> Attempt:
    """Return the try that runs, with its session and its token."""
    attempt = Attempt.objects.get(task__key="test", state="open")
    agent = Agent.objects.get(name="Hawk")
    Session.objects.create(
        assignment_id=attempt.pk, reuse_key=attempt.task_id, agent=agent, agent_version=agent.version,
        prompt=put_blob(b"You are Hawk."), title="Try to break it",
    )  # fmt: skip
    return attempt


def test_an_owner_tells_an_agent_at_work_something_without_scripts(owner: Client, story: Story) -> None:
    attempt = a_session_at_work(story)
    address = f"/work/sessions/{attempt.pk}/"

    before = owner.get(address).content.decode()
    answer = owner.post(address, {"text": "Look at the feed of 1.2 GB, too."})

    after = owner.get(address).content.decode()
    assert "Tell Hawk something" in before
    assert (answer.status_code, answer["Location"]) == (303, address)
    assert "Look at the feed of 1.2 GB, too." in after
    assert "Waits for its next step" in after


def test_a_note_to_nobody_is_refused_and_kept_in_the_form(owner: Client, story: Story) -> None:
    attempt = Attempt.objects.filter(task__key="core").latest("n")

    answer = owner.post(f"/work/sessions/{attempt.pk}/", {"text": "Too late"})

    assert answer.status_code == 409
    assert "It was not told." in answer.content.decode()


def test_a_viewer_tells_nobody_anything(viewer: Client, story: Story) -> None:
    attempt = a_session_at_work(story)

    assert "Tell Hawk" not in viewer.get(f"/work/sessions/{attempt.pk}/").content.decode()
    assert viewer.post(f"/work/sessions/{attempt.pk}/", {"text": "Hello"}).status_code == 403
    assert not Note.objects.exists()


def test_an_operator_tells_it_over_rest(story: Story) -> None:
    a_session_at_work(story)
    session = Session.objects.get(state="running")

    answer = call(
        device_of(story.owner, role="operator"), f"sessions/{session.pk}/tell", text="Mind the feed."
    )

    assert answer.status_code == 201
    assert (answer.json()["text"], answer.json()["read_at"]) == ("Mind the feed.", None)
