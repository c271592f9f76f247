"""What money passed is said in plain words."""

import pytest

from billing.models import MoneyAlert
from factory.console.rules.money import money_alert_words


@pytest.mark.parametrize("rule", MoneyAlert.Rule.values)
def test_every_rule_has_a_sentence_in_plain_words(rule: str) -> None:
    said = money_alert_words(rule, name="Rex", line=30, amounts=(31_000_000, 30_000_000))

    assert said[0].isupper()
    assert "microusd" not in said
    assert "_" not in said
