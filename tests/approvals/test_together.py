"""Several answers at once, a yes taken back, and how askers fared."""

from typing import Any

import pytest

from approvals.errors import AlreadyDecided, Forbidden, NotTakenBack, Stale
from approvals.models import Decision, Request
from approvals.services import (
    Answer,
    decide_request,
    decide_together,
    expire_requests,
    gate_records,
    record_of,
    take_back,
    use_decision,
    withdraw_request,
)
from core.errors import BadArguments, FactoryError, NotFound
from core.ids import new_id
from core.models import AuditRow, User
from core.services import business_now
from tests.approvals.effects import effects, wait
from tests.builders import a_request, a_user

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rehearsal")]


def some_refunds(count: int = 8) -> list[Request]:
    """Return equal questions."""
    return [
        a_request(action="test.pay", arguments={"customer": n}, worst_case_microusd=7_000_000)
        for n in range(count)
    ]


def yes_to(requests: list[Request], **other: str) -> list[Answer]:
    """Return a yes to each, as it was shown."""
    return [Answer(request.pk, "approve", other.get("digest", request.digest)) for request in requests]


def said_yes(**card: Any) -> Request:
    """Return a question that the owner approved."""
    request = a_request(action="test.pay", **card)
    decide_request(request.pk, answer="approve", by=a_user(), digest=request.digest)
    return request


def test_eight_equal_refunds_are_one_card() -> None:
    some_refunds()
    a_request(action="test.tell")

    cards = Request.objects.cards(business_now())

    assert sorted((card.kind, len(card.items), card.worst_case_microusd) for card in cards) == [
        ("equal", 8, 56_000_000),
        ("one", 1, 70_000_000),
    ]


def test_one_yes_to_eight_is_eight_decisions() -> None:
    refunds = some_refunds()

    decisions = decide_together(yes_to(refunds), by=a_user(), looked_s=12.0)

    assert {one.request_id for one in decisions} == {one.pk for one in refunds}
    assert effects() == ["yes"] * 8
    assert AuditRow.objects.filter(verb="approvals.decide_request", facts__looked_s=12.0).count() == 8


def test_yes_and_no_may_stand_in_one_answer() -> None:
    first, second = some_refunds(2)

    decide_together(
        [Answer(first.pk, "approve", first.digest), Answer(second.pk, "reject", second.digest)], by=a_user()
    )

    assert sorted(effects()) == ["no", "yes"]


def test_when_one_was_answered_meanwhile_none_is_taken() -> None:
    refunds = some_refunds()
    decide_request(refunds[3].pk, answer="reject", by=a_user(), digest=refunds[3].digest)

    with pytest.raises(AlreadyDecided):
        decide_together(yes_to(refunds), by=a_user())

    assert (Decision.objects.count(), effects()) == (1, ["no"])


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"digest": "0" * 64}, Stale), ({"role": User.Role.OPERATOR}, Forbidden), ({"request_id": new_id()}, NotFound)],
)  # fmt: skip
def test_one_that_is_refused_refuses_all(change: dict[str, Any], reason: type[FactoryError]) -> None:
    first, second = some_refunds(2)
    by = a_user(role=change.get("role", User.Role.OWNER))
    strange = Answer(change.get("request_id", second.pk), "approve", change.get("digest", second.digest))

    with pytest.raises(reason):
        decide_together([Answer(first.pk, "approve", first.digest), strange], by=by)

    assert (Decision.objects.count(), effects()) == (0, [])


def test_no_answer_and_two_answers_to_one_question_are_refused() -> None:
    first, *_ = some_refunds(1)

    for answers in ([], yes_to([first, first])):
        with pytest.raises(BadArguments):
            decide_together(answers, by=a_user())


def test_a_yes_nobody_acted_on_can_be_taken_back_and_the_question_is_open_again() -> None:
    request = said_yes()

    take_back(request.pk, by=a_user())

    assert Request.objects.get().state == "pending"
    assert (Decision.objects.count(), effects()) == (0, ["yes", "held_back"])
    decide_request(request.pk, answer="reject", by=a_user(), digest=request.digest)
    assert effects()[-1] == "no"


def test_what_was_taken_back_stays_in_the_audit_rows() -> None:
    request = said_yes()

    take_back(request.pk, by=a_user(name="ada"))

    verbs = AuditRow.objects.filter(facts__request_id=str(request.pk)).order_by("pk")
    assert [row.verb for row in verbs] == ["approvals.decide_request", "approvals.take_back"]


def test_what_has_begun_is_not_taken_back() -> None:
    request = said_yes(arguments={"has_begun": True})

    with pytest.raises(NotTakenBack):
        take_back(request.pk, by=a_user())

    assert (Request.objects.get().state, Decision.objects.count()) == ("approved", 1)


def test_a_yes_that_was_used_is_not_taken_back() -> None:
    request = said_yes()
    use_decision(action="test.pay", digest=request.digest)

    with pytest.raises(NotTakenBack):
        take_back(request.pk, by=a_user())

    assert Request.objects.get().state == "used"


def test_what_is_done_at_once_cannot_be_taken_back() -> None:
    request = a_request(action="test.tell")
    decide_request(request.pk, answer="approve", by=a_user(), digest=request.digest)

    with pytest.raises(NotTakenBack):
        take_back(request.pk, by=a_user())


def test_only_the_owner_takes_back() -> None:
    request = said_yes()

    with pytest.raises(Forbidden):
        take_back(request.pk, by=a_user(role=User.Role.OPERATOR))


def test_the_record_of_an_asker_counts_answers_and_silence_of_thirty_days() -> None:
    wait(days=31)
    said_yes(), said_yes()
    late, gone = a_request(action="test.pay"), a_request(action="test.pay")
    withdraw_request(gone.pk, by="agent:Kev", reason="plan changed")
    wait(hours=4)
    expire_requests()
    waiting = a_request(action="test.pay")

    (record,) = gate_records(business_now())

    assert (record.action, record.asked_by, record.count, record.approved, record.expired) == (
        "test.pay",
        "agent:Kev",
        3,
        2,
        1,
    )
    assert record_of(waiting) == record
    assert gate_records(late.asked_at) == [record]
    wait(days=31)
    assert gate_records(business_now()) == []


def test_who_never_asked_has_no_record() -> None:
    assert record_of(a_request(action="test.tell")) is None
