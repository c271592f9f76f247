"""The score: what is known counts, what is unknown is shown as a range."""

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolio.rules.scoring import WEIGHTS, Outside, Part, read_parts, weigh
from portfolio.rules.signals import Signal
from tests.portfolio.builders import AS_OF, a_signal, yardsticks


def values(*signals: Signal, outside: Outside | None = None) -> dict[str, float | None]:
    """Give the parts of `signals` by name."""
    parts = read_parts(signals, as_of=AS_OF, yardsticks=yardsticks(), outside=outside or Outside())
    return {part.name: part.value for part in parts}


def parts_of(**known: float | None) -> list[Part]:
    return [Part(name, weight, known.get(name), "") for name, weight in WEIGHTS.items()]


@pytest.mark.parametrize(
    ("known", "points", "low", "high", "weight"),
    [
        # The hand table: 100 x sum(w x p) / sum(w) over the known; low and high with the unknown at 0 and 1.
        ({}, None, 0.0, 100.0, 0.0),
        ({"money": 1.0}, 100.0, 15.0, 100.0, 0.15),
        ({"money": 0.0, "ease": 0.8}, 40.0, 12.0, 82.0, 0.3),
        ({"weakness": 0.5, "money": 1.0, "ease": 0.8, "speed": 0.6207}, 71.2, 46.3, 81.3, 0.65),
        ({"demand": 0.3, "weakness": 0.4, "money": 0.5, "ease": 0.4, "speed": 0.5, "trend": 1.0}, 46.5, 46.5, 46.5, 1.0),
    ],
)  # fmt: skip
def test_a_score_equals_the_hand_table(
    known: dict[str, float], points: float | None, low: float, high: float, weight: float
) -> None:
    score = weigh(parts_of(**known))

    assert (score.points, score.low, score.high, score.known_weight) == (points, low, high, weight)


@given(
    st.fixed_dictionaries({name: st.one_of(st.none(), st.floats(0, 1)) for name in WEIGHTS}),
    st.floats(0.5, 1.5),
)
def test_the_points_lie_in_their_range_and_the_range_within_0_and_100(
    known: dict[str, float | None], calibration: float
) -> None:
    score = weigh(parts_of(**known), calibration=calibration)

    assert 0 <= score.low <= score.high <= 100
    assert score.points is None or score.low - 0.1 <= score.points <= score.high + 0.1


@given(st.sampled_from(sorted(WEIGHTS)), st.fixed_dictionaries({name: st.floats(0, 1) for name in WEIGHTS}))
def test_forgetting_a_part_only_widens_the_range(name: str, known: dict[str, float]) -> None:
    whole, partly = weigh(parts_of(**known)), weigh(parts_of(**{**known, name: None}))

    assert partly.low <= whole.low + 0.1
    assert partly.high >= whole.high - 0.1


def test_a_category_may_be_calibrated_and_is_cut_at_100() -> None:
    assert weigh(parts_of(money=0.9), calibration=1.5).points == 100.0
    assert weigh(parts_of(money=0.8), calibration=0.5).points == 40.0


@pytest.mark.parametrize(
    ("day", "counts"),
    [
        ("2026-09-30", True),
        ("2026-08-31", True),
        ("2026-08-30", False),
        ("2026-10-01", False),
        ("2026-09", True),
        ("2026-08", False),
        ("2026", False),
        (None, False),
    ],
)
def test_mentions_count_only_inside_their_thirty_days(day: str | None, counts: bool) -> None:  # noqa: FBT001
    expected = round(math.log10(1 + 20 * 4) / 4, 4) if counts else None

    assert values(a_signal(day=day, mentions=4))["demand"] == expected


def test_searches_and_mentions_add_up_to_a_demand_that_ends_at_1() -> None:
    fresh = a_signal(day="2026-09-20", mentions=5)

    assert values(fresh, outside=Outside(searches_per_month=899))["demand"] == round(math.log10(1000) / 4, 4)
    assert values(fresh, outside=Outside(searches_per_month=10**6))["demand"] == 1.0
    assert values(a_signal(day="2026-09-20", mentions=0))["demand"] == 0.0


@pytest.mark.parametrize(
    ("signals", "money"),
    [
        ([a_signal(), a_signal("s2", price="12")], 1.0),
        ([a_signal(price="0"), a_signal("s2", text="I would pay for it.")], 0.5),
        ([a_signal(price="0"), a_signal("s2")], 0.0),
        ([a_signal(), a_signal("s2")], None),
    ],
)
def test_money_is_paid_wished_none_or_unknown(signals: list[Signal], money: float | None) -> None:
    assert values(*signals)["money"] == money


def test_weakness_is_the_share_of_users_who_complain() -> None:
    users = [a_signal(f"s{n}", text="It is broken." if n < 3 else "Fine.") for n in range(4)]
    sellers = [a_signal(f"v{n}", source="blog", text="Theirs is broken.") for n in range(9)]

    assert values(*users, *sellers)["weakness"] == 0.75
    assert values(*users[:2], *sellers)["weakness"] is None


def test_ease_and_speed_come_from_the_category_and_what_makes_it_hard() -> None:
    plain, hard = a_signal(), a_signal("s2", text="It prints on label printers.")
    api = a_signal("s3", text="They sell an API.")

    assert (values(plain)["ease"], values(plain)["speed"]) == (0.8, round(1 - 11 / 29, 4))
    assert values(plain, hard)["ease"] == 0.6
    assert (values(api)["ease"], values(api)["speed"]) == (0.6, round(1 - 9 / 29, 4))


@pytest.mark.parametrize(("trend", "value"), [("rising", 1.0), ("flat", 0.5), ("falling", 0.0), (None, None)])
def test_a_trend_is_taken_from_a_series_never_from_old_dates(trend: str | None, value: float | None) -> None:
    old = [a_signal(f"s{n}", day=f"20{10 + n}") for n in range(5)]

    assert values(*old, outside=Outside(trend=trend))["trend"] == value  # type: ignore[arg-type]


def test_every_part_says_how_it_was_found() -> None:
    parts = read_parts([a_signal(price="3.90")], as_of=AS_OF, yardsticks=yardsticks())

    assert all(part.found for part in parts)
    assert (
        next(part.found for part in parts if part.name == "money") == "paid elsewhere: one price named, $3.9"
    )
    assert a_signal(price="3.90").price_usd == Decimal("3.90")
