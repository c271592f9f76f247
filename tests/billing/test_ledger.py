"""Sums of the hours say what the entries say, whoever books at the same time."""

from datetime import UTC, date, datetime
from decimal import Decimal
from importlib import import_module
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.models import Sum
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing import checks
from billing.models import CostHour, Entry
from billing.rules import ForeignBill
from billing.services import book_entry, factory_scope
from core.ids import new_id
from core.services import business_now
from tests.builders import a_scope

STORIES = (None, UUID(int=1), UUID(int=2))
MOMENTS = (datetime(2026, 9, 30, 23, 59, 59, 999_999, tzinfo=UTC), datetime(2026, 10, 1, tzinfo=UTC))
costs = st.tuples(
    st.integers(-5_000_000, 5_000_000), st.sampled_from(MOMENTS), st.sampled_from(("", "Rex")), st.sampled_from(STORIES)
)  # fmt: skip


@pytest.mark.django_db
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(booked=st.lists(costs, max_size=12))
def test_every_sum_of_the_hours_is_that_of_the_entries(
    booked: list[tuple[int, datetime, str, UUID | None]],
) -> None:
    scope = a_scope(ref=str(new_id()))
    for amount, at, agent, story in booked:
        book_entry(
            scope, kind="tools", ref=str(new_id()), amount_microusd=amount, at=at, agent=agent, correlation_id=story
        )  # fmt: skip

    entries = Entry.objects.filter(scope=scope).values_list("at__date", "at__hour", "agent", "correlation_id")
    hours = CostHour.objects.filter(scope=scope)
    sums = hours.values_list("day", "hour", "agent", "correlation_id", "amount_microusd")
    assert set(entries.annotate(Sum("amount_microusd"))) == set(sums)
    assert hours.aggregate(n=Sum("entries"))["n"] == (len(booked) or None)


@pytest.mark.django_db
def test_an_entry_that_went_past_the_sums_is_found() -> None:
    entry = book_entry(factory_scope(), kind="tools", ref="one", amount_microusd=7)
    sound = checks.ledger().state

    row = {"kind": "tools", "ref": "past the sums", "amount_microusd": 1, "at": entry.at, "mode": entry.mode}
    Entry.objects.create(scope=entry.scope, **row)

    assert (sound, checks.ledger().state) == ("fine", "fail")


@pytest.mark.django_db
def test_an_hour_is_one_row_for_one_address_also_without_a_story() -> None:
    for number in range(3):
        book_entry(factory_scope(), kind="tools", ref=f"{number}", amount_microusd=7)

    assert list(CostHour.objects.values_list("amount_microusd", "entries")) == [(21, 3)]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "verb", ["update billing_entry set amount_microusd = 0", "delete from billing_entry"]
)
def test_the_database_itself_refuses_to_change_or_delete_what_is_booked(verb: str) -> None:
    entry = book_entry(factory_scope(), kind="tools", ref="one", amount_microusd=7)
    guard = import_module("billing.migrations.0007_entries_stay").guard
    guard(None, SimpleNamespace(connection=connection))

    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        connection.cursor().execute(verb)

    entry.refresh_from_db()
    assert entry.amount_microusd == 7


@pytest.mark.django_db
def test_no_migration_lost_the_guard_of_the_ledger() -> None:
    asked = {
        "sqlite": "select 1 from sqlite_master where type = 'trigger' and name = %s",
        "postgresql": "select 1 from pg_trigger where tgname = %s",
    }
    with connection.cursor() as cursor:
        cursor.execute(asked[connection.vendor], ["billing_entry_no_update"])
        assert cursor.fetchone()


@pytest.mark.django_db
def test_a_foreign_bill_keeps_its_amount_and_its_rate_and_counts_in_dollars() -> None:
    bill = ForeignBill(original_minor=1_999, currency="eur", rate=Decimal("1.0837"), rate_on=date(2026, 2, 2))
    entry = book_entry(
        factory_scope(), kind="hosting", ref="x", amount_microusd=bill.amount_microusd, bill=bill
    )

    entry.refresh_from_db()
    assert entry.amount_microusd == 21_663_163
    assert (entry.original_minor, entry.currency, entry.rate) == (1_999, "eur", Decimal("1.0837"))


@pytest.mark.django_db
@pytest.mark.parametrize(
    "half", [{"currency": "eur"}, {"original_minor": 5}, {"original_minor": 5, "currency": "eur"}]
)
def test_a_foreign_bill_without_a_rate_is_refused_by_the_database(half: dict[str, Any]) -> None:
    row = {"kind": "tools", "ref": "x", "amount_microusd": 1, "at": business_now(), "mode": "rehearsal"}

    with pytest.raises(IntegrityError), transaction.atomic():
        Entry.objects.create(scope=factory_scope(), **row, **half)
