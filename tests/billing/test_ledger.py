"""Sums of the hours say what the entries say, whoever books at the same time."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from django.db.models import Sum
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing import checks
from billing.models import CostHour, Entry
from billing.services import book_entry, factory_scope
from core.ids import new_id
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

    Entry.objects.filter(pk=entry.pk).update(amount_microusd=8)

    assert (sound, checks.ledger().state) == ("fine", "fail")


@pytest.mark.django_db
def test_an_hour_is_one_row_for_one_address_also_without_a_story() -> None:
    for number in range(3):
        book_entry(factory_scope(), kind="tools", ref=f"{number}", amount_microusd=7)

    assert list(CostHour.objects.values_list("amount_microusd", "entries")) == [(21, 3)]
