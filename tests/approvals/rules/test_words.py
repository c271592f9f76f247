"""What a card may say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from approvals.rules import unbound_words

BOUND = {
    "amount_microusd": 19_000_000,
    "payee": "ada@payer.example",
    "plan": {"usd_month": 9, "limit": "50 people"},
    "page": "https://shop.payer.example/refunds",
    "parts": [{"words": "fee", "microusd": 2_400_000}],
    "version": 3,
}


@pytest.mark.parametrize(
    "text",
    [
        "Refund $19.00 to ada@payer.example?",
        "Refund 19 dollars, as on shop.payer.example.",
        "USD 19, of it $2.40 fee, instead of $9 a month",
        "It goes to ADA@payer.example for 50 people, 412 of 412 tests pass, version 3, 87 %",
        "The change is in rules.py and app.js.",
        "No amount, no payee, no host; e.g. nothing, i.e. nothing.",
        "",
    ],
)
def test_words_may_name_what_the_answer_is_bound_to(text: str) -> None:
    assert unbound_words(text, bound=BOUND) == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Refund $1.90 to ada@payer.example?", ["$1.90"]),
        ("Refund $19k?", ["$19k"]),
        ("Refund 190 USD?", ["190 USD"]),
        ("Only €3 today", ["€3"]),
        ("Only 3 dollars today", ["3 dollars"]),
        ("Only ＄３ today", ["$3"]),
        ("Refund $1\u200b9.00 and $3", ["$3"]),
        ("Pay eve@payer.example", ["eve@payer.example"]),
        ("Look at https://evil.example/x", ["evil.example"]),
        ("Look at payer.example", ["payer.example"]),
        ("Look at http://evil.py", ["evil.py"]),
        ("Refund 3\u202e91$", ["characters that turn the direction of reading"]),
        ("3 of 3, at $3", ["$3"]),
    ],
)
def test_another_amount_payee_or_host_is_named(text: str, named: list[str]) -> None:
    assert unbound_words(text, bound=BOUND) == named


@given(st.integers(min_value=1, max_value=10**7), st.integers(min_value=1, max_value=10**7))
def test_a_sum_is_bound_exactly_when_it_is_the_same_sum(bound_cents: int, said_cents: int) -> None:
    text = f"Pay ${said_cents / 100:,.2f}?"

    strange = unbound_words(text, bound={"amount_microusd": bound_cents * 10_000})

    assert (strange == []) == (said_cents == bound_cents)


def test_a_number_that_is_no_money_does_not_cover_an_amount() -> None:
    assert unbound_words("Pay $3?", bound={"version": 3, "is_usd": True}) == ["$3"]
