"""Work on pages: what waits and why, one graph, one step, one attempt, one result, and what people may do about them."""

import re

import pytest
from django.test import Client

from core.services import put_blob
from factory.work.models import Artifact, Dag, Task
from factory.work.rules import TaskSpec
from factory.work.services import set_schedule
from tests.factory.console.story import Story

pytestmark = pytest.mark.django_db


def words_of(client: Client, path: str) -> str:
    """Return what a page says, without its marks."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", client.get(path).content.decode()))


def step(story: Story, key: str) -> Task:
    return story.build.tasks.get(key=key)


def choose(client: Client, task: Task, what: str, **more: str) -> int:
    return client.post(f"/work/steps/{task.pk}/choice/", {"what": what, **more}).status_code


def test_the_queue_says_what_gave_up_each_try_and_what_waits_behind(story: Story, owner: Client) -> None:
    words = words_of(owner, "/work/")

    for said in (
        "1 step gave up",
        "The text of page 3 is empty",
        "1 step waits behind it: Publish the help texts",
        "Cannot start",
        "Go on without it",
    ):
        assert said in words


def test_a_step_that_gave_up_is_tried_again(story: Story, owner: Client) -> None:
    assert choose(owner, step(story, "texts"), "retry") == 303

    assert step(story, "texts").state == Task.State.READY


def test_a_step_is_tried_again_with_new_words(story: Story, operator: Client) -> None:
    assert choose(operator, step(story, "texts"), "change", brief="Only short texts.") == 303

    assert step(story, "texts").brief == "Only short texts."


def test_new_words_must_be_said(story: Story, owner: Client) -> None:
    assert choose(owner, step(story, "texts"), "change", brief="  ") == 400

    assert step(story, "texts").state == Task.State.DEAD_LETTER


def test_the_work_goes_on_without_a_step_when_the_owner_says_so(story: Story, owner: Client) -> None:
    assert choose(owner, step(story, "texts"), "without") == 303

    assert step(story, "help").state == Task.State.READY


def test_leaving_a_step_out_is_not_an_operators_choice(story: Story, operator: Client) -> None:
    assert choose(operator, step(story, "texts"), "without") == 403

    assert "Go on without it" not in words_of(operator, "/work/")


def test_a_dropped_branch_ends_with_what_waits_for_it(story: Story, operator: Client) -> None:
    assert choose(operator, step(story, "texts"), "drop") == 303

    assert {step(story, key).state for key in ("texts", "help")} == {Task.State.CANCELLED}


def test_a_viewer_is_offered_nothing_and_may_do_nothing(story: Story, viewer: Client) -> None:
    task = step(story, "texts")

    assert choose(viewer, task, "retry") == 403
    assert viewer.post(f"/work/graphs/{story.build.pk}/", {"what": "pause"}).status_code == 403
    assert viewer.post(f"/ventures/{story.product.slug}/", {"what": "freeze"}).status_code == 403
    for path in (
        "/work/",
        f"/work/graphs/{story.build.pk}/",
        f"/work/steps/{task.pk}/",
        f"/ventures/{story.product.slug}/",
    ):
        main = viewer.get(path).content.decode().split('<main id="main">')[1].split('<nav class="also"')[0]
        assert "<button" not in main


def test_a_graph_is_paused_by_an_operator_and_let_go_on_by_the_owner_alone(
    story: Story, owner: Client, operator: Client
) -> None:
    path = f"/work/graphs/{story.build.pk}/"

    assert operator.post(path, {"what": "pause"}).status_code == 303
    assert operator.post(path, {"what": "resume"}).status_code == 403
    assert Dag.objects.get(pk=story.build.pk).is_paused
    assert owner.post(path, {"what": "resume"}).status_code == 303
    assert not Dag.objects.get(pk=story.build.pk).is_paused


def test_the_rest_of_a_graph_is_cancelled(story: Story, owner: Client) -> None:
    assert owner.post(f"/work/graphs/{story.build.pk}/", {"what": "cancel"}).status_code == 303

    assert not story.build.tasks.open().exists()


def test_a_venture_is_parked_and_goes_on(story: Story, owner: Client, operator: Client) -> None:
    path = f"/ventures/{story.product.slug}/"

    assert operator.post(path, {"what": "freeze"}).status_code == 303
    story.product.refresh_from_db()
    assert story.product.state == "frozen"
    assert operator.post(path, {"what": "thaw"}).status_code == 403
    assert owner.post(path, {"what": "thaw"}).status_code == 303


def test_a_step_gets_another_place_in_line(story: Story, operator: Client) -> None:
    task = step(story, "deploy")

    assert operator.post(f"/work/steps/{task.pk}/", {"what": "priority", "priority": "5"}).status_code == 303

    assert step(story, "deploy").priority == 5


def test_a_graph_is_drawn_with_what_is_cut_off_and_listed_below(story: Story, owner: Client) -> None:
    text = owner.get(f"/work/graphs/{story.build.pk}/").content.decode()

    assert text.count('<g class="n ') == story.build.tasks.count()
    assert text.count('class="e cut"') == 1
    assert '<g class="n fail">' in text
    assert "Try 3: Pixel, failed" in re.sub(r"\s+", " ", text)


def test_a_session_shows_what_was_said_written_run_and_paid_and_runs_nothing(
    story: Story, owner: Client
) -> None:
    attempt = step(story, "core").attempts.get(n=2)
    path = f"/work/sessions/{attempt.pk}/"

    words, text = words_of(owner, path), owner.get(path).content.decode()

    for said in (
        "I look at what is there first.",
        "Wrote jobs/due.py , +1 −1",
        "python manage.py test",
        "not known yet",
        "Knew why the try before failed",
    ):
        assert said in words
    assert '<span class="add">+    return job.last + job.every</span>' in text
    assert "<script>alert(1)" not in text


def test_a_session_of_a_job_says_how_it_ended(story: Story, owner: Client) -> None:
    attempt = step(story, "desk").attempts.get()

    assert "The factory: accepted" in words_of(owner, f"/work/sessions/{attempt.pk}/")


def test_a_result_is_shown_as_text_and_handed_out_as_a_file_no_browser_runs(
    story: Story, owner: Client
) -> None:
    attempt = step(story, "core").attempts.get(n=2)
    blob = put_blob(b"<script>alert(1)</script> and words")
    made = Artifact.objects.create(attempt=attempt, kind="text", name="../../evil\r\n.html", blob=blob)

    page, file = owner.get(f"/work/results/{made.pk}/"), owner.get(f"/work/results/{made.pk}/?download=1")

    assert "&lt;script&gt;alert(1)" in page.content.decode()
    assert file.content == b"<script>alert(1)</script> and words"
    assert file["Content-Type"] == "application/octet-stream"
    assert file["X-Content-Type-Options"] == "nosniff"
    assert re.fullmatch(r'attachment; filename="[A-Za-z0-9_.-]+"', file["Content-Disposition"])


def test_a_schedule_stands_with_its_next_run_and_may_be_paused(
    story: Story, owner: Client, operator: Client
) -> None:
    spec = TaskSpec(key="read", title="Read the feeds", kind="story.check")
    made = set_schedule("Read the feeds", cron="0 5 * * *", tasks=[spec], by="owner:ada", zone="UTC")

    assert "daily 05:00" in words_of(owner, "/work/")
    assert operator.post(f"/work/schedules/{made.pk}/", {"what": "pause"}).status_code == 303
    assert operator.post(f"/work/schedules/{made.pk}/", {"what": "resume"}).status_code == 403


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("nightw", "Nightwatch"),
        ("scheduled job", "Say when a scheduled job did not run"),
        ("help text", "Publish the help texts"),
        ("small plan", "Lower the small plan to $5?"),
        ("version-1", "version-1"),
        ("build n", "Build Nightwatch"),
    ],
)
def test_search_leads_to_things_by_a_few_letters(asked: str, found: str, story: Story, owner: Client) -> None:
    assert found in words_of(owner, f"/search/?q={asked}")


def test_search_for_one_letter_finds_nothing(story: Story, owner: Client) -> None:
    assert "Nothing is called so." in words_of(owner, "/search/?q=n")


@pytest.mark.parametrize(
    "path", ["/work/graphs/{0}/", "/work/steps/{0}/", "/work/sessions/{0}/", "/work/results/{0}/"]
)
def test_what_is_not_there_is_said_not_to_be_there(path: str, owner: Client) -> None:
    assert owner.get(path.format("00000000-0000-7000-8000-000000000000")).status_code == 404
