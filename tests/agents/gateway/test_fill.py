"""Answers that must fit a schema: repaired once, then one tier up; each try is paid."""

import json
import threading
from typing import Any

import pytest

from agents.gateway.errors import BadAsk, InvalidAnswer
from agents.gateway.models import Call
from agents.gateway.ports import Ask, Intent, Message, Patience, Reply
from agents.gateway.services import fill
from billing.models import Entry
from tests.agents.gateway.fake_provider import Play, Provider
from tests.builders import an_ask

pytestmark = pytest.mark.django_db

SCHEMA = {
    "title": "Verdict",
    "type": "object",
    "properties": {"words": {"type": "string", "maxLength": 10}},
    "required": ["words"],
}
GOOD, LONG, BROKEN = json.dumps({"words": "short"}), json.dumps({"words": "far too long"}), '{"words": "sho'


def filled(
    *plays: Play, provider: Provider, quality: Any = "good", **said: Any
) -> tuple[dict[str, Any], Reply]:
    """Fill the schema while the provider plays."""
    provider.plays = list(plays)
    ask = an_ask(intent=Intent(quality=quality), answer_schema=SCHEMA, **said)
    return fill(ask, stop=threading.Event(), patience=Patience())


def test_an_answer_that_fits_is_returned_at_once(provider: Provider) -> None:
    answer, reply = filled(Play(GOOD), provider=provider)

    assert answer == {"words": "short"}
    assert reply.cost_microusd == Entry.objects.total_microusd()
    assert provider.models == ["gpt-5-mini"]
    shape = provider.seen[0][2]["response_format"]["json_schema"]
    assert (shape["name"], shape["strict"]) == ("Verdict", True)


@pytest.mark.parametrize("wrong", [LONG, BROKEN, "", "I would say it is fine."])
def test_an_answer_that_does_not_fit_is_repaired_once_by_the_same_model(
    provider: Provider, wrong: str
) -> None:
    answer, reply = filled(Play(wrong), Play(GOOD), provider=provider)

    assert answer == {"words": "short"}
    assert provider.models == ["gpt-5-mini", "gpt-5-mini"]
    said, asked = provider.seen[1][2]["messages"][-2:]
    assert said["content"] == (wrong or "(nothing)")
    assert "is not valid" in asked["content"]
    assert reply.cost_microusd == Entry.objects.total_microusd() == Call.objects.total_microusd()
    assert Call.objects.count() == 2


def test_after_the_repair_a_better_model_is_asked_which_may_be_another_provider(provider: Provider) -> None:
    answer, reply = filled(Play(LONG), Play(BROKEN), Play(GOOD), provider=provider)

    assert answer == {"words": "short"}
    assert provider.models == ["gpt-5-mini", "gpt-5-mini", "gpt-5.2"]
    assert reply.cost_microusd == Entry.objects.total_microusd()


def test_three_wrong_answers_are_refused_and_were_paid(provider: Provider) -> None:
    with pytest.raises(InvalidAnswer) as refused:
        filled(Play(LONG), Play(LONG), Play(LONG), provider=provider)

    assert "'far too long' is too long" in str(refused.value)
    assert Entry.objects.count() == 3


def test_a_cut_answer_is_asked_again_with_double_room_even_if_it_parses(provider: Provider) -> None:
    answer, _ = filled(Play(GOOD, stop="length"), Play(GOOD), provider=provider)

    rooms = [body["max_completion_tokens"] for _, _, body in provider.seen]
    assert answer == {"words": "short"}
    assert rooms == [1_000, 2_000]
    assert "was cut" in provider.seen[1][2]["messages"][-1]["content"]


def test_anthropic_is_given_the_schema_without_its_bounds_and_checked_against_all_of_it(
    provider: Provider,
) -> None:
    provider.plays = [Play(LONG), Play(GOOD)]
    ask = an_ask(intent=Intent(quality="best", not_provider="openai"), answer_schema=SCHEMA)

    answer, _ = fill(ask, stop=threading.Event())

    assert answer == {"words": "short"}
    sent = provider.seen[0][2]["output_config"]["format"]["schema"]
    assert sent["properties"]["words"] == {"type": "string", "description": "(maxLength 10)"}
    assert [message["role"] for message in provider.seen[1][2]["messages"]] == ["user", "assistant", "user"]


def test_without_a_schema_there_is_nothing_to_fill(provider: Provider) -> None:
    ask: Ask = an_ask(messages=(Message("user", "Hello"),))

    with pytest.raises(BadAsk):
        fill(ask, stop=threading.Event())

    assert provider.seen == []
