"""The batch lane: handed in once, paid once at its own price, found again after whatever happens."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from agents.gateway import models
from agents.gateway.errors import BatchPending
from agents.gateway.models import BatchJob, Call
from agents.gateway.ports import Ask, Intent, Reply
from agents.gateway.services import complete
from agents.gateway.services.batches import LIFE, forget_batches, move_batches
from billing.errors import BudgetExceeded
from billing.models import Entry, Hold, Window
from billing.services import expire_holds, set_switch, settle_orphans
from tests.agents.gateway.batch_provider import CLAUDE_ANSWER, OPENAI_ANSWER, Lanes, batch_lanes
from tests.agents.gateway.fake_provider import Provider
from tests.builders import a_scope, an_ask

pytestmark = pytest.mark.django_db(transaction=True)

GPT = Intent(quality="best", speed="batch")
CLAUDE = Intent(quality="best", speed="batch", not_provider="openai")
FULL_GPT, FULL_CLAUDE = 1_000 * 175 // 100 + 100 * 14, 1_000 * 3 + 100 * 15
BOTH = pytest.mark.parametrize(
    ("intent", "full"), [(GPT, FULL_GPT), (CLAUDE, FULL_CLAUDE)], ids=["openai", "anthropic"]
)


@pytest.fixture
def lanes(provider: Provider) -> Iterator[Lanes]:
    """Give both providers' rows the address of one local server of batches."""
    with batch_lanes() as running:
        models.Provider.objects.update(base_url=running.url)
        yield running


def a_batch_ask(intent: Intent = GPT, **said: Any) -> Ask:
    """Return a step that has time."""
    return an_ask(intent=intent, step_key="step", **said)


def ask_for(ask: Ask, **more: Any) -> Reply:
    """Ask as every attempt does."""
    return complete(ask, stop=threading.Event(), **more)


def hand_in(ask: Ask) -> None:
    """Let the first attempt ask."""
    with pytest.raises(BatchPending):
        ask_for(ask)


def look_again() -> None:
    """Let a minute pass, and the lane's chore come round."""
    BatchJob.objects.update(next_look_at=timezone.now() - timedelta(seconds=1))
    move_batches()


def books_agree() -> bool:
    """Say whether nothing is held and calls, ledger and windows tell one sum."""
    spent = Window.objects.get(scope__kind="factory", period="month").spent_microusd
    sums = {Call.objects.total_microusd(), Entry.objects.total_microusd(), spent}
    return len(sums) == 1 and not Hold.objects.open().exists()


@BOTH
def test_it_is_handed_in_once_held_meanwhile_and_paid_at_half_the_price(
    lanes: Lanes, intent: Intent, full: int
) -> None:
    ask = a_batch_ask(intent)
    hand_in(ask)
    move_batches()
    hand_in(ask)
    look_again()
    held = Hold.objects.open().get().bound_microusd
    lanes.end()
    look_again()

    kept: list[Reply] = []
    reply = ask_for(replace(ask, assignment_id=an_ask().assignment_id), keep=kept.append)

    assert (reply.text, reply.stop, kept) == ("Later.", "end", [reply])
    assert reply.cost_microusd == -(-full // 2) <= held
    assert len(lanes.batches) == 1
    assert not {"stream", "stream_options"} & lanes.batches[0].body.keys()
    call = Call.objects.get()
    assert (call.is_batch, call.status, call.cost_microusd) == (True, "answered", reply.cost_microusd)
    assert books_agree()


@BOTH
def test_tool_calls_and_schemas_come_back_as_from_any_other_call(
    lanes: Lanes, intent: Intent, full: int
) -> None:
    calls = [{"id": "c1", "type": "function", "function": {"name": "read", "arguments": '{"path": "a"}'}}]
    openai = {
        **OPENAI_ANSWER,
        "choices": [
            {"index": 0, "finish_reason": "tool_calls", "message": {"content": None, "tool_calls": calls}}
        ],
    }
    claude = {
        **CLAUDE_ANSWER,
        "stop_reason": "tool_use",
        "content": [{"type": "tool_use", "id": "c1", "name": "read", "input": {"path": "a"}}],
    }
    ask = a_batch_ask(intent)
    hand_in(ask)
    move_batches()
    lanes.end(answer=openai if intent is GPT else claude)
    look_again()

    reply = ask_for(ask)

    assert [(c.id, c.name, c.arguments) for c in reply.tool_calls] == [("c1", "read", {"path": "a"})]
    assert full
    assert reply.stop == "tools"


@BOTH
def test_a_request_whose_answer_got_lost_is_found_again_and_not_handed_in_twice(
    lanes: Lanes, intent: Intent, full: int
) -> None:
    lanes.fault = "lost"
    ask = a_batch_ask(intent)
    hand_in(ask)
    move_batches()
    unsure = BatchJob.objects.get().state
    lanes.end()
    look_again()
    look_again()

    assert unsure == "posting"
    assert ask_for(ask).cost_microusd == -(-full // 2)
    assert len(lanes.batches) == 1
    assert books_agree()


@BOTH
def test_who_died_before_it_was_handed_in_hands_it_in_later(lanes: Lanes, intent: Intent, full: int) -> None:
    ask = a_batch_ask(intent)
    hand_in(ask)
    long_ago = timezone.now() - timedelta(minutes=3)
    BatchJob.objects.update(state="posting", posting_at=long_ago)  # and then the process died
    look_again()
    look_again()

    assert (len(lanes.batches), BatchJob.objects.get().state) == (1, "posted")
    assert full


@BOTH
def test_what_may_still_be_on_its_way_is_not_handed_in_again(lanes: Lanes, intent: Intent, full: int) -> None:
    hand_in(a_batch_ask(intent))
    BatchJob.objects.update(state="posting", posting_at=timezone.now())

    look_again()

    assert (len(lanes.batches), BatchJob.objects.get().state) == (0, "posting")
    assert full


@pytest.mark.parametrize("status", ["429", "503"])
def test_a_lane_that_is_full_or_broken_is_tried_again(lanes: Lanes, status: str) -> None:
    lanes.fault = status
    ask = a_batch_ask()
    hand_in(ask)
    move_batches()
    BatchJob.objects.filter(state="posting").update(posting_at=timezone.now() - timedelta(minutes=3))
    for _ in range(3):
        look_again()
    lanes.end()
    look_again()

    assert ask_for(ask).text == "Later."
    assert len(lanes.batches) == 1


@BOTH
@pytest.mark.parametrize("ended", ["expired", "cancelled"])
def test_what_was_not_answered_costs_nothing_and_is_asked_at_once(
    lanes: Lanes, provider: Provider, intent: Intent, full: int, ended: str
) -> None:
    ask = a_batch_ask(intent)
    hand_in(ask)
    move_batches()
    lanes.end(ended)
    look_again()
    models.Provider.objects.update(base_url=provider.url)

    reply = ask_for(ask)

    assert (reply.text, reply.cost_microusd) == ("Hello.", full)
    assert list(Call.objects.order_by("started_at").values_list("is_batch", "status")) == [
        (True, "failed"),
        (False, "answered"),
    ]
    assert books_agree()


def test_a_request_the_lane_refuses_is_asked_at_once(lanes: Lanes, provider: Provider) -> None:
    lanes.fault = "400"
    ask = a_batch_ask()
    hand_in(ask)
    move_batches()
    models.Provider.objects.update(base_url=provider.url)

    assert ask_for(ask).text == "Hello."
    assert books_agree()


def test_an_answer_nobody_can_read_is_booked_at_its_bound(lanes: Lanes, provider: Provider) -> None:
    ask = a_batch_ask()
    hand_in(ask)
    move_batches()
    lanes.end(answer={"choices": 3})
    look_again()
    models.Provider.objects.update(base_url=provider.url)

    ask_for(ask)

    lost = Call.objects.get(is_batch=True)
    assert (lost.status, lost.cost_microusd) == ("lost", lost.bound_microusd)
    assert books_agree()


def test_a_restart_loses_no_hold_and_a_day_without_an_answer_books_the_bound(lanes: Lanes) -> None:
    hand_in(a_batch_ask())
    move_batches()

    assert settle_orphans(is_dead=lambda owner: ":" in owner) == 0
    long_ago = timezone.now() - LIFE - timedelta(minutes=1)
    Call.objects.update(started_at=long_ago)
    Hold.objects.update(expires_at=long_ago)
    expire_holds()
    look_again()

    call = Call.objects.get()
    assert (call.status, call.cost_microusd, BatchJob.objects.get().state) == (
        "lost",
        call.bound_microusd,
        "failed",
    )
    assert books_agree()
    assert len(lanes.batches) == 1


@pytest.mark.parametrize("state", ["written", "posting"])
@pytest.mark.parametrize("left", [timedelta(hours=1), -timedelta(minutes=1)])
def test_what_never_left_within_its_time_costs_nothing_and_is_not_handed_in_any_more(
    lanes: Lanes, state: str, left: timedelta
) -> None:
    hand_in(a_batch_ask())
    long_ago = timezone.now() - LIFE - timedelta(minutes=1)
    BatchJob.objects.update(state=state, posting_at=long_ago)
    Call.objects.update(started_at=long_ago)
    Hold.objects.update(expires_at=timezone.now() + left)
    expire_holds()

    look_again()
    look_again()

    call = Call.objects.get()
    assert (call.status, call.cost_microusd, BatchJob.objects.get().state) == ("failed", 0, "failed")
    assert lanes.batches == []
    assert books_agree()


def test_what_may_have_left_is_booked_at_its_bound_after_its_time(lanes: Lanes) -> None:
    hand_in(a_batch_ask())
    Call.objects.update(started_at=timezone.now() - LIFE - timedelta(minutes=1))
    BatchJob.objects.update(state="posting", posting_at=timezone.now())

    look_again()

    call = Call.objects.get()
    assert (call.status, call.cost_microusd) == ("lost", call.bound_microusd)
    assert books_agree()


def test_what_is_switched_off_is_not_handed_in_and_what_was_is_cancelled(lanes: Lanes) -> None:
    hand_in(a_batch_ask())
    move_batches()
    hand_in(a_batch_ask())
    set_switch("provider", "openai", by="owner", reason="enough")

    look_again()
    lanes.end("cancelled")
    look_again()

    assert [batch.is_cancelled for batch in lanes.batches] == [True]
    assert set(Call.objects.values_list("status", "cost_microusd")) == {("failed", 0)}
    assert books_agree()


def test_a_full_limit_refuses_the_lane_too(lanes: Lanes) -> None:
    ask = a_batch_ask(scopes=(a_scope(life=10).id,))

    with pytest.raises(BudgetExceeded):
        ask_for(ask)

    assert not BatchJob.objects.exists()
    assert not Call.objects.exists()


@pytest.mark.parametrize("said", [{"step_key": ""}, {"intent": Intent(quality="best")}])
def test_who_could_not_find_his_answer_again_or_has_no_time_is_answered_at_once(
    provider: Provider, said: dict[str, Any]
) -> None:
    assert ask_for(replace(a_batch_ask(), **said)).text == "Hello."
    assert not BatchJob.objects.exists()


def test_a_model_without_a_batch_price_is_asked_at_once(provider: Provider) -> None:
    models.Price.objects.update(batch_percent=100)
    models.ModelEntry.objects.update(changed_at=timezone.now())

    assert ask_for(a_batch_ask()).text == "Hello."


def test_jobs_that_are_over_for_a_week_are_forgotten(lanes: Lanes) -> None:
    hand_in(a_batch_ask())
    move_batches()
    lanes.end()
    look_again()
    assert forget_batches() == 0

    BatchJob.objects.update(next_look_at=timezone.now() - timedelta(days=8))
    forget_batches()

    assert not BatchJob.objects.exists()
    assert Call.objects.count() == 1
