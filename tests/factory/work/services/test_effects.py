"""Effects outside happen once for their task, whoever dies meanwhile; what nobody knows is asked, never repeated."""

from typing import Any

import pytest

from approvals.models import Request
from approvals.services import decide_request, expire_requests
from core.registry import Assignment, Outcome
from core.services import advance_to, found_installation
from factory.work.errors import EffectFailed, EffectUnknown, LeaseLost
from factory.work.models import Attempt, Effect, Task
from factory.work.services import Deed, Done, carry_out_once, finish_attempt, intend, settle_effects
from factory.work.services.attempts import recover_dead
from factory.work.services.engine import failure_of
from tests.builders import a_user
from tests.factory.work.hands import an_agents_task, take

pytestmark = pytest.mark.django_db


class Post:
    """A door outside that counts what was done there."""

    def __init__(self) -> None:
        self.letters: list[str] = []

    def send(self, key: str) -> Done:
        """Send one letter."""
        self.letters.append(key)
        return Done(external_id=f"letter-{len(self.letters)}", result={"sent": len(self.letters)})

    def send_and_die(self, key: str) -> Done:
        """Send one letter and lose the answer."""
        self.letters.append(key)
        raise TimeoutError("no answer")


def a_deed(*, amount: int = 5, can_repeat: bool = False) -> Deed:
    """Return something to be done outside."""
    return Deed(
        "test.pay",
        {"amount": amount, "to": "Ada"},
        title="Pay $5.00 to ada@payer.example",
        can_repeat=can_repeat,
    )


def taken() -> Assignment:
    """Return the running attempt of a fresh task."""
    an_agents_task(type="write")
    assignment = take()
    assert assignment is not None
    return assignment


def killed(assignment: Assignment) -> Assignment:
    """Let the worker of this attempt die; return the next attempt at its task."""
    recover_dead(is_dead=lambda worker: True)
    again = take("w2")
    assert again is not None
    assert again.reuse_key == assignment.reuse_key
    return again


def test_it_is_done_once_for_its_task_however_often_it_is_wanted() -> None:
    post, first = Post(), taken()
    done = carry_out_once(first, a_deed(), do=post.send)

    repeated = carry_out_once(killed(first), a_deed(), do=post.send)

    assert (done.state, done.external_id, done.result) == ("done", "letter-1", {"sent": 1})
    assert (repeated.pk, repeated.result, len(post.letters)) == (done.pk, {"sent": 1}, 1)


def test_another_amount_is_another_intent() -> None:
    post, attempt = Post(), taken()

    carry_out_once(attempt, a_deed(amount=5), do=post.send)
    carry_out_once(attempt, a_deed(amount=6), do=post.send)

    assert len(set(post.letters)) == 2


def test_the_intent_is_on_disk_before_the_call_leaves() -> None:
    seen: list[Any] = []

    def look(key: str) -> Done:
        seen.append(Effect.objects.get(key=key).state)
        return Done()

    carry_out_once(taken(), a_deed(), do=look)

    assert seen == ["doing"]


@pytest.mark.parametrize(("can_repeat", "sent", "state"), [(True, 2, "done"), (False, 1, "unknown")])
def test_after_a_death_in_the_middle_it_is_repeated_only_where_that_does_no_harm(
    *, can_repeat: bool, sent: int, state: str
) -> None:
    post, first = Post(), taken()
    deed = a_deed(can_repeat=can_repeat)
    with pytest.raises(TimeoutError):
        carry_out_once(first, deed, do=post.send_and_die)
    Effect.objects.update(state="doing")
    again = killed(first)

    try:
        carry_out_once(again, deed, do=post.send)
    except EffectUnknown as unclear:
        finish_attempt(again.id, failure_of(unclear))

    effect = Effect.objects.get()
    assert (len(post.letters), len(set(post.letters)), effect.state) == (sent, 1, state)


def asked(post: Post) -> Request:
    """Return the question about something of which nobody knows whether it happened."""
    first = taken()
    with pytest.raises(TimeoutError):
        carry_out_once(first, a_deed(), do=post.send_and_die)
    again = killed(first)
    with pytest.raises(EffectUnknown) as unclear:
        carry_out_once(again, a_deed(), do=post.send)
    finish_attempt(again.id, failure_of(unclear.value))
    return Request.objects.get()


@pytest.mark.parametrize(("answer", "sent"), [("approve", 2), ("reject", 1)])
def test_the_owner_says_whether_to_do_it_again(answer: str, sent: int) -> None:
    post = Post()
    request = asked(post)
    waiting = Task.objects.get()

    decide_request(request.pk, answer=answer, by=a_user(), digest=request.digest, words="I looked")
    third = take("w3")
    assert third is not None
    effect = carry_out_once(third, a_deed(), do=post.send)

    assert (waiting.state, request.title, effect.state) == (
        "waiting",
        "Once more: Pay $5.00 to ada@payer.example?",
        "done",
    )
    assert len(post.letters) == sent


def test_while_nobody_says_anything_nothing_is_repeated_and_the_work_ends() -> None:
    found_installation("rehearsal")
    post = Post()
    request = asked(post)

    advance_to(request.deadline)
    expire_requests()

    assert (Task.objects.get().state, Effect.objects.get().state) == ("dead_letter", "unknown")
    assert len(post.letters) == 1


def test_a_worker_that_lost_its_task_begins_nothing_outside() -> None:
    post, first = Post(), taken()
    killed(first)

    with pytest.raises(LeaseLost):
        carry_out_once(first, a_deed(), do=post.send)

    assert (post.letters, Effect.objects.count()) == ([], 0)


def test_what_a_cut_off_worker_did_is_written_down_when_it_comes_back() -> None:
    first = taken()

    def long_call(key: str) -> Done:
        killed(first)
        settle_effects()
        return Done(external_id="late")

    effect = carry_out_once(first, a_deed(), do=long_call)

    assert (effect.state, effect.external_id) == ("done", "late")


def test_what_cannot_be_done_fails_and_is_not_tried_again() -> None:
    calls: list[str] = []

    def refuse(key: str) -> Done:
        calls.append(key)
        return Done(why_not="the account is closed")

    first = taken()
    with pytest.raises(EffectFailed, match="closed"):
        carry_out_once(first, a_deed(), do=refuse)

    with pytest.raises(EffectFailed, match="closed"):
        carry_out_once(killed(first), a_deed(), do=refuse)

    assert len(calls) == 1


@pytest.mark.parametrize(("can_repeat", "state"), [(True, "intent"), (False, "unknown")])
def test_the_sweeper_finds_what_dead_workers_left_open(*, can_repeat: bool, state: str) -> None:
    first = taken()
    effect = intend(first.reuse_key, a_deed(can_repeat=can_repeat))
    Effect.objects.filter(pk=effect.pk).update(state="doing", attempt=Attempt.objects.get(pk=first.id))
    while_it_runs = settle_effects()
    finish_attempt(first.id, Outcome(kind="failed", error_class="permanent"))

    assert (while_it_runs, settle_effects(), settle_effects()) == (0, 1, 0)
    effect.refresh_from_db()
    assert effect.state == state
