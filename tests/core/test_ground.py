"""Clock, stop, blobs, money and registries."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from multiprocessing import get_context
from multiprocessing.queues import Queue
from typing import Any
from uuid import UUID

import pytest
import time_machine
from django.db import IntegrityError
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from core import clock, money
from core.errors import BadArguments, BlobDamaged, ClockFixed, NameTaken, NotRegistered
from core.ids import digest_of, first_id_of, new_id
from core.models import AuditRow, Blob, Installation, Mode
from core.registry import (
    Assignment,
    Outcome,
    Stop,
    check_arguments,
    find_action,
    register_action,
    register_job,
)
from core.services import (
    advance_to,
    begin_maintenance,
    blobs,
    business_now,
    drain,
    end_maintenance,
    found_installation,
    may_begin,
    must_halt,
    put_blob,
    read_blob,
    start_again,
    start_clock_at,
    stop_everything,
)


@pytest.mark.django_db
def test_business_time_starts_where_it_is_set_and_only_moves_forward() -> None:
    found_installation(Mode.REHEARSAL)
    start_clock_at(datetime(2026, 9, 30, tzinfo=UTC))
    advance_to(datetime(2026, 10, 2, tzinfo=UTC))

    advance_to(datetime(2026, 10, 1, tzinfo=UTC))

    assert timedelta(0) <= business_now() - datetime(2026, 10, 2, tzinfo=UTC) < timedelta(minutes=1)
    with pytest.raises(ClockFixed):
        start_clock_at(datetime(2026, 9, 30, tzinfo=UTC))


@pytest.mark.django_db
def test_a_real_factory_has_real_time() -> None:
    found_installation(Mode.REAL)

    with pytest.raises(ClockFixed):
        advance_to(timezone.now() + timedelta(days=1))
    with pytest.raises(IntegrityError):
        Installation.objects.update(clock_offset_ms=1)


@pytest.mark.django_db
def test_a_stored_file_is_checked_at_every_reading(settings: Settings, tmp_path: Any) -> None:
    settings.BLOBS_DIR = tmp_path
    blob, again = put_blob(b"evidence"), put_blob(b"evidence")

    assert (read_blob(blob.sha256), blob, Blob.objects.count()) == (b"evidence", again, 1)
    blobs.path_of(blob.sha256).write_bytes(b"evidencE")
    with pytest.raises(BlobDamaged):
        read_blob(blob.sha256)


@given(st.decimals(min_value=0, max_value=10_000, places=9))
def test_a_bound_never_shrinks_on_its_way_into_micro_dollars(usd: Decimal) -> None:
    assert usd <= money.to_usd(money.to_microusd(usd)) < usd + Decimal("0.000001")


def test_money_is_said_in_words() -> None:
    said = [money.in_words(amount) for amount in (None, 0, 1, 1_234_560_000, -400_000)]

    assert said == ["not known yet", "$0.00", "under $0.01", "$1,234.56", "−$0.40"]


@given(st.datetimes(timezones=st.just(UTC), min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1)))  # noqa: DTZ001
def test_every_moment_lies_in_its_day_and_month(moment: datetime) -> None:
    assert clock.start_of_day(moment) <= moment < clock.end_of_day(moment)
    assert clock.start_of_month(moment) <= moment < clock.end_of_month(moment)


def test_ids_are_version_seven_in_their_order_and_never_ahead_of_the_clock() -> None:
    burst = [new_id() for _ in range(20_000)]

    assert {(type(one), one.version) for one in burst} == {(UUID, 7)}
    assert burst == sorted(set(burst))
    assert burst[-1] < first_id_of(timezone.now() + timedelta(milliseconds=2))


def test_processes_that_were_forked_from_one_make_ids_of_their_own() -> None:
    new_id()  # what makes them is awake before the fork, as in a worker

    def some(ids: "Queue[list[UUID]]") -> None:
        ids.put([new_id() for _ in range(2_000)])

    forking = get_context("fork")
    ids: Queue[list[UUID]] = forking.Queue()
    children = [forking.Process(target=some, args=(ids,)) for _ in range(3)]
    for child in children:
        child.start()
    made = [one for _ in children for one in ids.get(timeout=30)]
    for child in children:
        child.join()

    assert len(set(made)) == len(made) == 6_000


def test_digests_ignore_key_order() -> None:
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1}) != digest_of({"a": 2, "b": 1})


def test_an_action_checks_its_arguments_and_an_unknown_one_is_refused() -> None:
    def nothing(arguments: Mapping[str, Any], *, decision_id: UUID) -> None:
        """Do nothing."""

    register_action("test.act", schema={"type": "object", "required": ["slug"]}, on_no=nothing)(nothing)

    check_arguments(find_action("test.act").schema, {"slug": "linkly"})
    with pytest.raises(BadArguments, match="slug"):
        check_arguments(find_action("test.act").schema, {})
    with pytest.raises(NotRegistered):
        find_action("test.unheard")


def test_a_name_is_registered_once() -> None:
    def job(assignment: Assignment, stop: Stop, /) -> Outcome:
        """Do nothing."""
        return Outcome(kind="done")

    register_job("test.once")(job)
    register_job("test.once")(job)

    with pytest.raises(NameTaken, match=r"test\.once"):
        register_job("test.once")(lambda assignment, stop: Outcome(kind="done"))


@pytest.mark.django_db
def test_a_drain_lets_what_runs_end_in_time_and_nothing_begin() -> None:
    found_installation(Mode.REHEARSAL)
    before = may_begin(), must_halt()

    drain(by="operator:eve", within_s=600)

    here = Installation.objects.get()
    assert before == (True, False)
    assert (here.state, here.by, may_begin(), must_halt()) == ("draining", "operator:eve", False, False)
    with time_machine.travel(timezone.now() + timedelta(seconds=601)):
        assert must_halt()


@pytest.mark.django_db
def test_maintenance_follows_a_drain_alone_and_ends_by_hand() -> None:
    found_installation(Mode.REHEARSAL)
    was_news_without_a_drain = begin_maintenance()
    drain(by="operator:eve")

    assert (was_news_without_a_drain, begin_maintenance(), begin_maintenance()) == (False, True, False)
    assert (Installation.objects.get().state, may_begin(), must_halt()) == ("maintenance", False, True)
    drain(by="owner:ada")
    assert Installation.objects.get().state == "maintenance"

    end_maintenance(by="owner:ada")

    assert (Installation.objects.get().state, may_begin(), must_halt()) == ("running", True, False)


@pytest.mark.django_db
def test_a_stop_counts_more_than_a_drain_and_leaves_it_as_it_was() -> None:
    found_installation(Mode.REHEARSAL)
    drain(by="operator:eve")

    stop_everything(by="owner:ada")
    end_maintenance(by="operator:eve")
    stopped = Installation.objects.get().state
    start_again(by="owner:ada")

    assert (stopped, Installation.objects.get().state) == ("stopped", "running")


@pytest.mark.django_db
def test_a_second_drain_moves_no_deadline() -> None:
    found_installation(Mode.REHEARSAL)
    drain(by="operator:eve", within_s=60)
    first = Installation.objects.get().drain_until

    drain(by="operator:eve", within_s=6_000)

    assert Installation.objects.get().drain_until == first
    assert AuditRow.objects.filter(verb="core.drain").count() == 1
