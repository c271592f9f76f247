"""How many calls an agent may begin within a minute: a loop is refused, work is not."""

import threading
from datetime import timedelta

import pytest
from django.db import connection, connections, transaction
from django.utils import timezone

from agents.gateway.errors import LaneBusy
from agents.gateway.models import Call
from agents.gateway.ports import Patience
from agents.gateway.services import complete, health
from agents.gateway.services.lanes import check_at_once
from billing.models import Hold
from tests.agents.gateway.fake_provider import Provider
from tests.builders import an_agent, an_ask

pytestmark = pytest.mark.django_db

HASTE = Patience(first_token_s=0.5, silence_s=0.5, total_s=5, budget_s=0.3, lane_s=0.3)


def ask_as(agent: str) -> str:
    """Let `agent` ask once and return what it heard."""
    return complete(an_ask(agent=agent), stop=threading.Event(), patience=HASTE).text


def test_who_began_too_many_calls_within_a_minute_is_refused_and_others_are_not(provider: Provider) -> None:
    an_agent("Rex", front={"limits": {"requests_per_min": 2}})
    an_agent("Hawk")
    heard = [ask_as("Rex") for _ in range(2)]

    with pytest.raises(LaneBusy) as refusal:
        ask_as("Rex")

    assert heard == ["Hello."] * 2
    assert refusal.value.facts == {"agent": "Rex", "within_s": 60}
    assert (Call.objects.count(), Hold.objects.count()) == (2, 2)
    assert ask_as("Hawk") == "Hello."


def test_what_other_processes_began_counts_and_a_minute_later_no_more(provider: Provider) -> None:
    an_agent("Rex", front={"limits": {"requests_per_min": 2}})
    for _ in range(2):
        ask_as("Rex")
    health.forget()  # as another process, which saw none of them

    with pytest.raises(LaneBusy):
        ask_as("Rex")
    Call.objects.update(started_at=timezone.now() - timedelta(seconds=61))
    health.forget()

    assert ask_as("Rex") == "Hello."


def test_a_full_minute_is_waited_for(provider: Provider) -> None:
    an_agent("Rex", front={"limits": {"requests_per_min": 1}})
    ask_as("Rex")
    Call.objects.update(started_at=timezone.now() - timedelta(seconds=59))
    health.forget()

    ask = an_ask(agent="Rex")
    reply = complete(ask, stop=threading.Event(), patience=Patience(lane_s=10))

    assert reply.text == "Hello."


@pytest.mark.django_db(transaction=True)
def test_whoever_counts_the_open_calls_of_a_model_keeps_no_other_call_of_it_waiting(
    provider: Provider,
) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("a file has one writer at a time")
    an_agent("Rex")
    an_agent("Hawk")
    ask_as("Rex")

    def ask_beside() -> None:
        ask_as("Hawk")
        connections.close_all()

    beside = threading.Thread(target=ask_beside)
    with transaction.atomic():
        check_at_once(Call.objects.get().model, crowd=9)
        beside.start()
        beside.join(5)
        is_answered = Call.objects.filter(agent="Hawk", status="answered").exists()
    beside.join()

    assert is_answered
