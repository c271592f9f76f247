"""Questions, answers, and what they are bound to."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, connection
from django.utils import timezone

from approvals.errors import AlreadyDecided, ApprovalMissing, Forbidden, KeyReused, RequestOver, Stale
from approvals.models import Decision, Request
from approvals.rules import digest_of_effect
from approvals.services import decide_request, expire_requests, use_decision, withdraw_request
from core.errors import BadArguments, FactoryError, NotFound, NotRegistered
from core.ids import correlation, new_id
from core.models import AuditRow, Event, Installation, Mode, User
from core.registry import register_action
from core.services import advance_to, audit, business_now, found_installation
from tests.builders import a_request, a_user

pytestmark = pytest.mark.django_db


def refuse(arguments: Mapping[str, Any], *, decision_id: UUID) -> None:
    """Leave a row that says no."""
    audit(actor="test", verb="effect.no", subject=str(decision_id), **arguments)


@register_action(
    "test.build", schema={"type": "object", "properties": {"n": {"type": "integer"}}}, on_no=refuse
)
def build(arguments: Mapping[str, Any], *, decision_id: UUID) -> None:
    """Leave a row that says yes."""
    audit(actor="test", verb="effect.yes", subject=str(decision_id), **arguments)


class EffectBroke(FactoryError):
    """The effect could not be carried out."""

    code = "EFFECT_BROKE"


@register_action("test.broken", schema={}, on_no=refuse)
def break_down(arguments: Mapping[str, Any], *, decision_id: UUID) -> None:
    """Write a row, then fail."""
    build(arguments, decision_id=decision_id)
    raise EffectBroke


@pytest.fixture(autouse=True)
def rehearsal() -> None:
    """Found a rehearsal, so that business time may be advanced."""
    found_installation(Mode.REHEARSAL)


def effects() -> list[str]:
    """Return the effects that happened, oldest first."""
    return list(
        AuditRow.objects.filter(verb__startswith="effect.").order_by("pk").values_list("verb", flat=True)
    )


def wait(**span: float) -> None:
    """Let business time pass."""
    advance_to(business_now() + timedelta(**span))


def test_a_yes_is_recorded_and_carried_out_together() -> None:
    owner, request = a_user(), a_request(action="test.build", arguments={"n": 3})

    decision = decide_request(request.pk, answer="approve", by=owner, digest=request.digest, words="good")

    assert effects() == ["effect.yes"]
    assert AuditRow.objects.get(verb="effect.yes").subject == str(decision.pk)
    assert Request.objects.get().state == "approved"
    said = Event.objects.get(kind="approvals.request_decided").facts
    assert said == {
        "request_id": str(request.pk),
        "decision_id": str(decision.pk),
        "action": "test.build",
        "answer": "approve",
    }


@pytest.mark.parametrize(("answer", "state"), [("reject", "rejected"), ("change", "changed")])
def test_a_no_and_a_change_carry_out_the_no(answer: str, state: str) -> None:
    request = a_request(action="test.build")

    decide_request(request.pk, answer=answer, by=a_user(), digest=request.digest, words="without the import")

    assert (effects(), Request.objects.get().state) == (["effect.no"], state)


def test_an_effect_that_fails_leaves_the_question_open_and_no_row() -> None:
    request = a_request(action="test.broken")

    with pytest.raises(EffectBroke):
        decide_request(request.pk, answer="approve", by=a_user(), digest=request.digest)

    assert (Request.objects.get().state, effects(), Decision.objects.count()) == ("pending", [], 0)


def test_the_rows_of_an_answer_belong_to_the_story_of_the_question() -> None:
    story = new_id()
    token = correlation.set(story)
    request = a_request(action="test.build")
    correlation.reset(token)

    decide_request(request.pk, answer="approve", by=a_user(), digest=request.digest)

    assert set(AuditRow.objects.values_list("correlation_id", flat=True)) == {story}
    assert correlation.get() is None


def test_a_question_is_asked_once_under_one_key() -> None:
    first = a_request(action="test.build", key="build:linkly")
    second = a_request(action="test.build", key="build:linkly", title="Again?")

    assert (second.pk, second.title) == (first.pk, first.title)
    assert Event.objects.filter(kind="approvals.request_asked").count() == 1


def test_another_amount_is_another_question() -> None:
    a_request(action="test.build", key="pay:ada", binds={"amount_microusd": 1})

    with pytest.raises(KeyReused):
        a_request(action="test.build", key="pay:ada", binds={"amount_microusd": 2})


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        ({"action": "test.unheard_of"}, NotRegistered),
        ({"arguments": {"n": "three"}}, BadArguments),
        ({"title": "x" * 61}, BadArguments),
        ({"reason": " "}, BadArguments),
    ],
)
def test_a_card_that_lacks_something_is_not_shown(card: dict[str, Any], reason: type[FactoryError]) -> None:
    with pytest.raises(reason):
        a_request(**{"action": "test.build", **card})

    assert not Request.objects.exists()


@pytest.mark.parametrize("role", [User.Role.VIEWER, User.Role.OPERATOR])
def test_only_the_owner_answers(role: str) -> None:
    request = a_request(action="test.build")

    with pytest.raises(Forbidden):
        decide_request(request.pk, answer="approve", by=a_user(role=role), digest=request.digest)

    assert (Request.objects.get().state, effects()) == ("pending", [])


def test_a_simulated_owner_answers_like_any_owner_and_is_marked() -> None:
    request = a_request(action="test.build")

    decision = decide_request(
        request.pk, answer="approve", by=a_user(is_simulated=True), digest=request.digest
    )

    assert decision.by.is_simulated
    assert AuditRow.objects.get(verb="approvals.decide_request").facts["is_simulated"] is True


def test_a_simulated_owner_answers_nothing_in_a_real_factory() -> None:
    request, ghost = a_request(action="test.build"), a_user(is_simulated=True)
    Installation.objects.update(mode=Mode.REAL, clock_offset_ms=0)

    with pytest.raises(Forbidden):
        decide_request(request.pk, answer="approve", by=ghost, digest=request.digest)


def test_an_answer_to_something_else_than_was_shown_is_refused() -> None:
    request = a_request(action="test.build")

    with pytest.raises(Stale):
        decide_request(request.pk, answer="approve", by=a_user(), digest="0" * 64)

    assert Request.objects.get().state == "pending"


def test_an_answer_to_nothing_is_refused() -> None:
    with pytest.raises(NotFound):
        decide_request(new_id(), answer="approve", by=a_user(), digest="0" * 64)


@pytest.mark.parametrize(("answer", "words"), [("perhaps", ""), ("change", " ")])
def test_an_answer_is_yes_no_or_a_change_in_words(answer: str, words: str) -> None:
    request = a_request(action="test.build")

    with pytest.raises(BadArguments):
        decide_request(request.pk, answer=answer, by=a_user(), digest=request.digest, words=words)


@pytest.mark.django_db(transaction=True)
def test_of_fifty_answers_at_once_one_counts_and_the_effect_happens_once() -> None:
    request, owner = a_request(action="test.build"), a_user(name="ada")

    def answer(n: int) -> str:
        try:
            decide_request(
                request.pk, answer="approve" if n % 2 else "reject", by=owner, digest=request.digest
            )
        except AlreadyDecided as late:
            return f"{late.http_status} {late.facts['by']}"
        finally:
            connection.close()
        return "taken"

    with ThreadPoolExecutor(50) as crowd:
        heard = list(crowd.map(answer, range(50)))

    assert sorted(heard) == ["409 ada"] * 49 + ["taken"]
    assert (Decision.objects.count(), len(effects())) == (1, 1)


def approved(**card: Any) -> Request:
    """Return a question that was answered with yes."""
    request = a_request(action="test.build", **card)
    decide_request(request.pk, answer="approve", by=a_user(), digest=request.digest)
    return request


def test_an_approval_is_used_once() -> None:
    request = approved(binds={"sha256": "aa"})

    decision = use_decision(action="test.build", digest=digest_of_effect("test.build", {}, {"sha256": "aa"}))

    assert (decision.request_id, decision.used_at is not None) == (request.pk, True)
    with pytest.raises(ApprovalMissing):
        use_decision(action="test.build", digest=request.digest)


@pytest.mark.parametrize(
    "effect",
    [
        ("test.build", {"n": 2}, {"sha256": "aa", "amount_microusd": 5}),
        ("test.build", {"n": 1}, {"sha256": "ab", "amount_microusd": 5}),
        ("test.build", {"n": 1}, {"sha256": "aa", "amount_microusd": 6}),
        ("test.broken", {"n": 1}, {"sha256": "aa", "amount_microusd": 5}),
    ],
)
def test_an_effect_that_differs_in_one_thing_has_no_approval(effect: tuple[str, Any, Any]) -> None:
    approved(arguments={"n": 1}, binds={"sha256": "aa", "amount_microusd": 5})

    with pytest.raises(ApprovalMissing):
        use_decision(action=effect[0], digest=digest_of_effect(*effect))


def test_a_no_is_no_approval() -> None:
    request = a_request(action="test.build")
    decide_request(request.pk, answer="reject", by=a_user(), digest=request.digest)

    with pytest.raises(ApprovalMissing):
        use_decision(action="test.build", digest=request.digest)


def test_an_approval_is_void_four_hours_later() -> None:
    early, late = approved(binds={"n": 1}), approved(binds={"n": 2})

    wait(hours=3, minutes=59)
    use_decision(action="test.build", digest=early.digest)
    wait(minutes=1)

    with pytest.raises(ApprovalMissing):
        use_decision(action="test.build", digest=late.digest)


def test_silence_refuses_at_four_hours_of_business_time() -> None:
    request = a_request(action="test.build")

    wait(hours=3, minutes=59)
    before = (expire_requests(), effects())
    wait(minutes=1)
    after = (expire_requests(), expire_requests(), effects())

    assert before == (0, [])
    assert after == (1, 0, ["effect.no"])
    assert AuditRow.objects.get(verb="effect.no").subject == str(request.pk)
    assert Event.objects.get(kind="approvals.request_decided").facts["answer"] == "expired"


def test_an_answer_after_the_deadline_is_refused_even_before_the_ticker_came() -> None:
    request = a_request(action="test.build", deadline_s=60)
    wait(minutes=2)

    with pytest.raises(RequestOver):
        decide_request(request.pk, answer="approve", by=a_user(), digest=request.digest)

    assert effects() == []


def test_a_question_whose_action_is_gone_expires_all_the_same() -> None:
    gone, other = a_request(action="test.build"), a_request(action="test.build")
    Request.objects.filter(pk=gone.pk).update(action="test.of_an_old_release")
    wait(hours=4)

    assert expire_requests() == 2
    assert set(Request.objects.values_list("state", flat=True)) == {"expired"}
    assert AuditRow.objects.get(facts__request_id=str(gone.pk)).outcome == "failed"
    assert AuditRow.objects.get(facts__request_id=str(other.pk)).outcome == "done"


def test_a_question_taken_back_cannot_be_answered() -> None:
    request = a_request(action="test.build")

    taken = [withdraw_request(request.pk, by="agent:Kev", reason="plan changed") for _ in range(2)]

    assert taken == [True, False]
    with pytest.raises(RequestOver):
        decide_request(request.pk, answer="approve", by=a_user(), digest=request.digest)


def test_what_presses_most_stands_first() -> None:
    small = a_request(action="test.build", title="small", worst_case_microusd=1_000_000)
    large = a_request(action="test.build", title="large", worst_case_microusd=70_000_000)
    soon = a_request(action="test.build", title="soon", worst_case_microusd=40_000_000, deadline_s=3600)
    unknown = a_request(action="test.build", title="unknown", worst_case_microusd=None)
    approved(title="answered")

    order = Request.objects.pressing_first(business_now())

    assert order == [unknown, soon, large, small]


@pytest.mark.parametrize("breach", [{"state": "perhaps"}, {"worst_case_microusd": -1}])
def test_the_database_itself_refuses_a_bad_request(breach: dict[str, Any]) -> None:
    a_request(action="test.build")

    with pytest.raises(IntegrityError):
        Request.objects.update(**breach)


@pytest.mark.parametrize("breach", [{"answer": "perhaps"}, {"answer": "reject", "used_at": timezone.now()}])
def test_the_database_itself_refuses_a_bad_decision(breach: dict[str, Any]) -> None:
    approved()

    with pytest.raises(IntegrityError):
        Decision.objects.update(**breach)
