"""What became of a yes is read from what was done, never from the answer. Source: U-19."""

import pytest

from factory.insight.services import effects_of
from factory.work.models import Effect, Task
from tests.factory.delivery.venture import Venture, a_small_release

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("machine")]


def test_what_a_yes_does_outside_is_written_down_with_the_answer_before_any_worker_comes() -> None:
    launch = Venture().approved(a_small_release("1"))

    effect = Effect.objects.get()

    assert (effect.request_id, effect.task_id, effect.state) == (launch.request.pk, launch.task.pk, "intent")
    assert effect.title == "Open version 1 of Certbook to its users"
    assert effects_of([launch.request])[launch.request.pk].step == "waits"


@pytest.mark.parametrize(
    ("state", "step"), [("doing", "doing"), ("done", "done"), ("failed", "failed"), ("unknown", "failed")]
)
def test_the_card_follows_it(state: str, step: str) -> None:
    launch = Venture().approved(a_small_release("1"))
    attempt = launch.task.attempts.get()

    Effect.objects.update(state=state, attempt=attempt, words="so it is")

    shown = effects_of([launch.request])[launch.request.pk]
    assert (shown.step, shown.words) == (step, "so it is")


def test_work_that_was_given_up_brings_nothing_any_more() -> None:
    launch = Venture().approved(a_small_release("1"))

    Task.objects.filter(pk=launch.task.pk).update(state="dead_letter")

    assert effects_of([launch.request])[launch.request.pk].step == "failed"
