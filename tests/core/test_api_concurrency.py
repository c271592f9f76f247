"""Many calls at once, as several web processes make them: one key is one deed, and every call is counted."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest
from django.db import connection

from core.errors import KeyOfAnotherRequest
from core.models import AuditRow, CallCount, KeptReply
from core.services import audit, found_installation
from core.services.replies import Reply, count_call, reply_again, reply_once
from tests.builders import a_user
from tests.callers import call, device_of

T = TypeVar("T")
pytestmark = pytest.mark.django_db(transaction=True)


def at_once(work: Callable[[int], T], *, times: int) -> list[T]:
    """Do it in 8 threads and return what each said."""

    def one(number: int) -> T:
        try:
            return work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(one, range(times)))


def test_one_key_is_one_deed_however_many_come_at_once() -> None:
    def deed() -> Reply:
        audit(actor="test", verb="test.deed", subject="once")
        return Reply(200, {"n": AuditRow.objects.filter(verb="test.deed").count()})

    replies = at_once(lambda _: reply_once("test", key="k", digest="d", do=deed), times=16)

    assert AuditRow.objects.filter(verb="test.deed").count() == KeptReply.objects.count() == 1
    assert {reply.body["n"] for reply, _ in replies} == {1}
    assert sum(not was_kept for _, was_kept in replies) == 1


def test_a_deed_that_fails_leaves_its_key_free() -> None:
    def fails() -> Reply:
        audit(actor="test", verb="test.deed", subject="undone")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        reply_once("test", key="k", digest="d", do=fails)

    assert (AuditRow.objects.count(), KeptReply.objects.count()) == (0, 0)


def test_a_long_deed_is_done_again_after_a_death_and_told_again_after_that() -> None:
    def dies() -> Reply:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        reply_again("test", key="k", digest="d", do=dies)
    done = reply_again("test", key="k", digest="d", do=lambda: Reply(201, {"n": 1}))
    told = reply_again("test", key="k", digest="d", do=dies)

    assert (done[1], told) == (False, (Reply(201, {"n": 1}), True))
    with pytest.raises(KeyOfAnotherRequest):
        reply_again("test", key="k", digest="other", do=dies)


def test_no_call_is_overlooked_by_the_count() -> None:
    at_once(lambda _: count_call("token:x", at_most=1_000), times=40)

    assert sum(CallCount.objects.values_list("calls", flat=True)) == 40


def test_a_verb_called_at_once_under_one_key_is_done_once() -> None:
    found_installation("rehearsal")
    phone = device_of(a_user())

    statuses = at_once(lambda _: call(phone, "installation/stop", once="k").status_code, times=8)

    assert statuses == [200] * 8
    assert AuditRow.objects.filter(verb="core.stop_everything").count() == 1
