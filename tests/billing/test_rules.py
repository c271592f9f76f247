"""What billing computes, for any numbers."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.errors import CurrencyUnknown, SignatureBad, SignatureOld
from billing.rules import (
    ALWAYS,
    Room,
    check_signature,
    headroom,
    period_bounds,
    sign,
    signed_microusd,
    standard_fee_minor,
)

MONEY = st.integers(min_value=0, max_value=10**12)
ROOMS = st.builds(Room, cap=MONEY, spent=MONEY, held=MONEY)


@given(st.lists(ROOMS, min_size=1))
def test_headroom_is_never_negative_nor_above_any_window(rooms: list[Room]) -> None:
    free = headroom(rooms)

    assert all(0 <= free <= max(0, room.cap - room.spent - room.held) for room in rooms)


def test_without_a_window_nothing_fits() -> None:
    assert headroom([]) == 0


@given(st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_every_moment_lies_inside_its_periods(moment: datetime) -> None:
    bounds = [period_bounds(period, moment) for period in ("day", "month")]

    assert all(start <= moment < end for start, end in bounds if end)
    assert period_bounds("life", moment) == (ALWAYS, None)


def test_refunds_disputes_and_fees_lower_profit_and_unknown_events_change_nothing() -> None:
    kinds = ("payment", "refund", "dispute", "fee", "unknown")

    signed = [signed_microusd(kind, amount_minor=1900, currency="USD") for kind in kinds]

    assert signed == [19_000_000, -19_000_000, -19_000_000, -19_000_000, 0]


def test_a_currency_without_a_rate_is_refused_not_counted_as_nothing() -> None:
    with pytest.raises(CurrencyUnknown):
        signed_microusd("payment", amount_minor=1900, currency="nzd")


@pytest.mark.parametrize(("amount", "fee"), [(1900, 86), (0, 30), (100, 33), (4900, 173)])
def test_the_standard_fee_is_rounded_up(amount: int, fee: int) -> None:
    assert standard_fee_minor(amount) == fee


@given(st.binary(), st.text(), st.integers(min_value=0, max_value=10**10))
def test_what_is_signed_is_accepted_within_five_minutes(body: bytes, secret: str, at: int) -> None:
    header = sign(body, secret=secret, at=at)

    assert check_signature(header, body=body, secret=secret, now=at + 300) == at
    with pytest.raises(SignatureOld):
        check_signature(header, body=body, secret=secret, now=at + 301)


@given(st.binary(min_size=1), st.integers(min_value=0))
def test_one_changed_byte_breaks_the_signature(body: bytes, where: int) -> None:
    header = sign(body, secret="s", at=1_000)  # noqa: S106
    at = where % len(body)
    changed = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]

    with pytest.raises(SignatureBad):
        check_signature(header, body=changed, secret="s", now=1_000)  # noqa: S106


@given(st.text())
def test_no_made_up_header_is_accepted(header: str) -> None:
    with pytest.raises(SignatureBad):
        check_signature(header, body=b"{}", secret="s", now=0)  # noqa: S106
