"""The table of limits is the only source of limits; what cannot be read allows nothing."""

from pathlib import Path
from typing import Any

import pytest

from billing.adapters.limits import start_caps
from billing.errors import LimitsUnreadable
from billing.models import Scope
from billing.services import give_limits
from tests.builders import a_scope


def test_agents_have_the_caps_of_their_profile_and_strangers_the_least() -> None:
    assert start_caps("agent", ref="Rex") == {"day": 20_000_000, "call": 500_000}
    assert start_caps("agent", ref="Atlas") == {"day": 15_000_000, "call": 1_000_000}
    assert start_caps("agent", ref="Nobody") == {"day": 5_000_000, "call": 50_000}


def test_the_factory_starts_with_a_day_and_a_month() -> None:
    assert start_caps("factory") == {"day": 100_000_000, "month": 3_000_000_000}


@pytest.mark.parametrize(
    "text", ["", "[]", "{", "{task: {life: lots}, profiles: {}}", "{task: 5}", "{task: }"]
)
def test_a_table_that_cannot_be_read_refuses(text: str, tmp_path: Path, settings: Any) -> None:
    settings.DATA_DIR = tmp_path
    (tmp_path / "limits.yaml").write_text(text)

    with pytest.raises(LimitsUnreadable):
        start_caps("task")


@pytest.mark.django_db
def test_no_scope_is_opened_without_its_limits(tmp_path: Path, settings: Any) -> None:
    settings.DATA_DIR = tmp_path

    with pytest.raises(LimitsUnreadable):
        a_scope()

    assert not Scope.objects.exists()


@pytest.mark.django_db
def test_a_live_product_gets_a_day_beside_its_life() -> None:
    product = a_scope(kind="product")

    give_limits(product, row="live_product")

    assert dict(product.limits.values_list("period", "cap_microusd")) == {
        "life": 70_000_000,
        "day": 5_000_000,
    }
