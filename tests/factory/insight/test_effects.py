"""What became of an answer is read from what was done, never from the answer."""

import pytest

from approvals.models import Request
from core.ids import new_id
from factory.insight.services import effects_of, parked_behind
from factory.work.models import Attempt, Effect, Task
from factory.work.rules import TaskSpec
from tests.builders import a_graph, a_request, a_task
from tests.factory.console.story import Story, a_story

pytestmark = pytest.mark.django_db


@pytest.fixture(name="approved")
def an_approved_request() -> Request:
    """Return a question that was answered with yes, bound to a task that is ready."""
    story: Story = a_story()
    task = a_task(kind="story.check")
    request = a_request(
        action="story.go", arguments={"task_id": str(task.pk)}, product=story.product.name, asked_by="job:x"
    )
    Request.objects.filter(pk=request.pk).update(state="approved")
    request.refresh_from_db()
    return request


def a_deed(request: Request, state: str, *, title: str = "Send the note", words: str = "") -> None:
    """Write down something to be done outside because of this request."""
    task = Task.objects.get(pk=request.arguments["task_id"])
    attempt = Attempt.objects.filter(task=task).first() or Attempt.objects.create(task=task, n=1, worker="w")
    Effect.objects.create(
        key=new_id().hex, task=task, attempt=attempt, request=request, purpose="note", arguments={}, title=title,
        state=state, words=words,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("state", "step"),
    [("intent", "waits"), ("doing", "doing"), ("done", "done"), ("failed", "failed"), ("unknown", "failed")],
)
def test_what_is_done_outside_says_how_far_a_yes_is(approved: Request, state: str, step: str) -> None:
    a_deed(approved, state)

    assert effects_of([approved])[approved.pk].step == step


def test_of_several_the_one_that_stands_worst_is_told(approved: Request) -> None:
    a_deed(approved, "done")
    a_deed(approved, "failed", words="The page was too busy")
    a_deed(approved, "doing")

    effect = effects_of([approved])[approved.pk]

    assert (effect.step, effect.words) == ("failed", "The page was too busy")


def test_what_nobody_knows_is_said_to_be_unknown(approved: Request) -> None:
    a_deed(approved, "unknown")

    assert effects_of([approved])[approved.pk].words == "nobody knows whether it was done"


def test_a_yes_alone_is_not_an_effect(approved: Request) -> None:
    assert effects_of([approved])[approved.pk].step == "waits"


def test_whatever_waits_behind_a_question_is_counted(approved: Request) -> None:
    graph = a_graph(
        TaskSpec(key="gate", title="Ask", kind="story.check", type="write"),
        TaskSpec(key="build", title="Build", kind="story.check", type="write", after=("gate",)),
        TaskSpec(key="test", title="Test", kind="story.check", type="write", after=("build",)),
        TaskSpec(key="aside", title="Aside", kind="story.check", type="write"),
    )
    waiting = a_request(action="story.go")
    graph.tasks.filter(key="gate").update(state="waiting", question=waiting.pk)

    assert parked_behind(waiting) == 3
    assert parked_behind(a_request(action="story.go")) == 0
