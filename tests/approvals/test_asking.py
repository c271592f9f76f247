"""What a card holds, and what follows a wanted change."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from approvals.errors import Misleading
from approvals.models import Request
from approvals.services import decide_request, use_decision, withdraw_request
from core.errors import BadArguments, FactoryError
from core.ids import new_id, story_of
from core.models import AuditRow
from core.services import change_setting
from tests.approvals.effects import wait
from tests.builders import a_request, a_user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rehearsal")]


@pytest.fixture(name="story")
def one_story() -> Iterator[None]:
    """Let everything belong to one story."""
    with story_of(new_id()):
        yield


def ask(**card: Any) -> Request:
    """Return a question about a payment."""
    return a_request(action="test.pay", **card)


def answer(request: Request, what: str) -> None:
    """Answer as the owner."""
    decide_request(request.pk, answer=what, by=a_user(), digest=request.digest, words="Shorter.")


@pytest.mark.parametrize(
    "card",
    [
        {"reason": " "},
        {"on_yes": ""},
        {"on_no": "\n"},
        {"asked_by": ""},
        {"key": ""},
        {"undo": "x" * 121},
        {"evidence": [{"name": "Tests", "words": "14 of 14"}]},
        {"evidence": [{"name": "Tests", "passed": "yes", "words": "14 of 14"}]},
        {"alternatives": [{"name": "Later"}]},
        {"worst_case_parts": [{"words": "refunds", "microusd": 69_999_999}]},
        {"worst_case_microusd": None, "worst_case_parts": [{"words": "refunds", "microusd": 1}]},
    ],
)
def test_a_card_that_lacks_something_or_does_not_add_up_is_not_shown(card: dict[str, Any]) -> None:
    with pytest.raises(BadArguments) as refused:
        ask(**card)

    assert (refused.value.code, refused.value.http_status) == ("BAD_ARGUMENTS", 400)
    assert not Request.objects.exists()


def test_a_card_keeps_all_it_was_given() -> None:
    whole: dict[str, Any] = {
        "is_reversible": True,
        "undo": "in about a minute",
        "alternatives": [{"name": "Later", "words": "Monday"}],
        "worst_case_parts": [{"words": "refunds", "microusd": 70_000_000}],
    }

    request = Request.objects.get(pk=ask(**whole).pk)

    assert {name: getattr(request, name) for name in whole} == whole
    assert request.on_silence == request.on_no


@pytest.mark.parametrize(
    ("card", "is_asked"),
    [
        ({"title": "Pay $70.00?"}, True),
        ({"title": "Pay $19.00?", "binds": {"amount_microusd": 19_000_000}}, True),
        ({"title": "Pay $19.00?", "binds": {"amount_microusd": 190_000_000}}, False),
        ({"reason": "It goes to ada@payer.example", "arguments": {"payee": "ada@payer.example"}}, True),
        ({"reason": "It goes to ada@payer.example", "arguments": {"payee": "eve@payer.example"}}, False),
        ({"reason": "See Ping.example", "product": "Ping.example"}, True),
        ({"reason": "See Ping.example", "product": "Pong"}, False),
    ],
)
def test_a_card_names_no_other_amount_payee_or_host_than_it_is_bound_to(
    card: dict[str, Any], *, is_asked: bool
) -> None:
    code = ""
    try:
        ask(**card)
    except FactoryError as refused:
        code = refused.code

    assert (Request.objects.exists(), code) == (is_asked, "" if is_asked else Misleading.code)


def test_the_time_for_an_answer_is_a_setting_unless_the_asker_says_another() -> None:
    change_setting("approvals.answer_hours", 2, by="owner:ada")

    usual, short = ask(), ask(deadline_s=600)

    assert usual.deadline - usual.asked_at == timedelta(hours=2)
    assert short.deadline - short.asked_at == timedelta(minutes=10)


def test_what_is_asked_after_a_change_follows_it(story: None) -> None:
    first = ask()
    answer(first, "change")

    second = ask()

    assert (first.round, second.round, second.follows) == (1, 2, first)


def test_a_question_of_another_story_asker_or_action_follows_nothing(story: None) -> None:
    answer(ask(), "change")

    others = [ask(asked_by="agent:Dot"), a_request(action="test.tell")]
    with story_of(new_id()):
        others.append(ask())
    with story_of(None):
        others.append(ask())

    assert [(other.round, other.follows) for other in others] == [(1, None)] * 4


def test_the_change_of_the_third_round_counts_as_no(story: None) -> None:
    rounds = []
    for _ in range(3):
        rounds.append(ask())
        answer(rounds[-1], "change")

    states = [Request.objects.get(pk=request.pk).state for request in rounds]
    assert states == ["changed", "changed", "rejected"]
    assert ask().round == 1, "after a no a new question is a new story"


def test_a_yes_that_was_not_used_in_time_gives_its_key_back() -> None:
    void = ask(key="pay:ada")
    answer(void, "approve")
    wait(hours=4)

    again = ask(key="pay:ada")

    void.refresh_from_db()
    assert (again.pk != void.pk, again.state, void.state) == (True, "pending", "expired")
    assert AuditRow.objects.get(verb="approvals.void_decision").facts["request_id"] == str(void.pk)


def test_a_yes_that_was_used_keeps_its_key() -> None:
    used = ask(key="pay:ada")
    answer(used, "approve")
    use_decision(action="test.pay", digest=used.digest)
    wait(hours=5)

    assert ask(key="pay:ada").pk == used.pk


def test_a_question_taken_back_says_why() -> None:
    request = ask()

    withdraw_request(request.pk, by="agent:Kev", reason="plan changed")

    assert Request.objects.get().withdrawn_why == "plan changed"
