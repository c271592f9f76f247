"""How askers fared."""

import pytest

from approvals.rules import Answered, records_of


def answers(*said: str, seconds: float = 30.0, looked_s: float | None = 20.0) -> list[Answered]:
    """Return questions of one asker at one gate that were answered so; empty: nobody did."""
    return [
        Answered("pay", "agent:Dot", one, seconds if one else None, looked_s if one else None) for one in said
    ]


def test_a_record_counts_what_was_answered_and_what_was_not() -> None:
    (record,) = records_of(answers("approve", "approve", "reject", "change", ""))

    assert (record.count, record.answered, record.expired) == (5, 4, 1)
    assert (record.approved, record.rejected, record.changed) == (2, 1, 1)
    assert record.approved_share == 0.5


def test_half_and_nine_in_ten_of_the_answers_took_at_most_so_long() -> None:
    spans = [Answered("pay", "agent:Dot", "approve", float(n), None) for n in range(1, 11)]

    (record,) = records_of(spans)

    assert (record.median_s, record.p90_s) == (5.5, 9.0)


def test_without_an_answer_nothing_is_known() -> None:
    (record,) = records_of(answers("", ""))

    assert (record.approved_share, record.median_s, record.p90_s) == (None, None, None)


def test_only_an_answer_that_is_known_to_be_quick_is_hasty() -> None:
    quick, slow, unknown = answers("approve", looked_s=4.9), answers("approve", looked_s=5.0), answers("approve", looked_s=None)  # fmt: skip

    (record,) = records_of([*quick, *slow, *unknown])

    assert record.hasty == 1


@pytest.mark.parametrize(
    ("yes", "no", "is_always"), [(20, 0, True), (19, 0, False), (39, 1, True), (38, 2, False)]
)
def test_a_gate_that_always_hears_yes_is_named(yes: int, no: int, *, is_always: bool) -> None:
    (record,) = records_of(answers(*["approve"] * yes, *["reject"] * no))

    assert record.is_always_yes is is_always


def test_each_gate_and_asker_has_its_own_record_the_busiest_first() -> None:
    other = [Answered("tell", "agent:Dot", "approve", 1.0, None)]

    assert [(record.action, record.count) for record in records_of([*other, *answers("", "reject")])] == [
        ("pay", 2),
        ("tell", 1),
    ]
