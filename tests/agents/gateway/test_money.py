"""What a call costs and what it can cost at most, for every price there is."""

import importlib.util
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings as django_settings
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.gateway.models import Price
from agents.gateway.rules.money import Most, Rates, Step, Tariff, Usage, Writes, bound_microusd, cost_microusd
from agents.gateway.rules.table import PriceTable
from agents.gateway.services.prices import price_columns

SONNET = Tariff(3_000_000, 15_000_000, 300_000, 3_750_000, cache_write_1h=6_000_000, batch_percent=50)
GEMINI = Tariff(
    1_250_000, 10_000_000, 125_000, 1_250_000, reasoning=12_000_000, steps=(Step(200_000, Rates(2_500_000, 15_000_000, 250_000, 2_500_000)),),
)  # fmt: skip


@pytest.mark.parametrize(
    ("tariff", "usage", "is_batch", "cost"),
    [
        (SONNET, Usage(1_000, 100), False, 4_500),
        (SONNET, Usage(1_000, 100, cached=1_000), False, 1_800),
        (SONNET, Usage(1_000, 100, cache_write=1_000), False, 5_250),
        (SONNET, Usage(1_000, 100, cache_write=1_000, cache_write_1h=400), False, 6_150),
        (SONNET, Usage(10_000, 1_000, cached=4_000, cache_write=5_000), False, 37_950),
        (SONNET, Usage(1_000, 100), True, 2_250),
        (SONNET, Usage(1, 0), True, 2),
        (GEMINI, Usage(200_000, 1_000), False, 260_000),
        (GEMINI, Usage(200_001, 1_000), False, 515_003),
        (GEMINI, Usage(200_001, 1_000, cached=200_000), False, 65_003),
        (GEMINI, Usage(1_000, 1_000, reasoning=600), False, 12_450),
        (GEMINI, Usage(0, 0), False, 0),
    ],
)  # fmt: skip
def test_twelve_bills_are_equal_to_the_last_digit(
    tariff: Tariff, usage: Usage, is_batch: Any, cost: int
) -> None:
    assert cost_microusd(usage, tariff, is_batch=is_batch) == cost


def test_a_model_is_held_at_the_dearest_of_its_dated_names_for_one_of_them_may_serve() -> None:
    old = Tariff(5_000_000, 15_000_000, 5_000_000, 5_000_000)
    asked = Tariff(2_500_000, 10_000_000, 1_250_000, 2_500_000, dated=(("m-2024-05-13", old),))

    bill = cost_microusd(Usage(1_000, 1_000), asked.of("m-2024-05-13"))

    assert bound_microusd(Most(1_000, 1_000), asked) == bill == 20_000
    assert asked.dearest == old.dearest


def test_a_search_of_the_provider_costs_its_fee() -> None:
    tariff = Tariff(3_000_000, 15_000_000, 300_000, 3_750_000, search_microusd=10_000)

    assert cost_microusd(Usage(1_000, 0, searches=2), tariff) == 23_000
    assert bound_microusd(Most(1_000, 0, searches=3), tariff) == 33_000


def _litellm_table() -> list[tuple[str, Tariff]]:
    """Every text model with a price in the table that lies in LiteLLM's wheel, as our tariff."""
    found = importlib.util.find_spec("litellm")
    assert found is not None
    assert found.origin is not None
    raw = json.loads((Path(found.origin).parent / "model_prices_and_context_window_backup.json").read_text())
    return [
        (name, _tariff(facts))
        for name, facts in raw.items()
        if facts.get("mode") in ("chat", "responses", "embedding") and facts.get("input_cost_per_token")
    ]


def _tariff(facts: dict[str, Any]) -> Tariff:
    def of(field: str, suffix: str, default: str = "") -> int | None:
        value = facts.get(field + suffix, facts.get(field, facts.get(default + suffix, facts.get(default))))
        return None if value is None else int(Decimal(str(value)) * 10**12)

    def rates(suffix: str) -> dict[str, int | None]:
        return {
            "input": of("input_cost_per_token", suffix),
            "output": of("output_cost_per_token", suffix) or 0,
            "cached": of("cache_read_input_token_cost", suffix, "input_cost_per_token"),
            "cache_write": of("cache_creation_input_token_cost", suffix, "input_cost_per_token"),
            "cache_write_1h": of("cache_creation_input_token_cost_above_1hr", suffix),
            "reasoning": of("output_cost_per_reasoning_token", suffix),
        }

    sizes = sorted(
        int(field.removeprefix("input_cost_per_token_above_").removesuffix("k_tokens"))
        for field in facts
        if field.startswith("input_cost_per_token_above_") and field.endswith("k_tokens")
    )
    steps = tuple(Step(size * 1_000, Rates(**rates(f"_above_{size}k_tokens"))) for size in sizes)  # type: ignore[arg-type]
    return Tariff(**rates(""), steps=steps, caches_by_itself=False)  # type: ignore[arg-type]


def _shipped() -> list[tuple[str, Tariff]]:
    made = []
    for name in ("prices.yaml", "catalogue.yaml"):
        table = PriceTable.model_validate(yaml.safe_load((Path(django_settings.DATA_DIR) / name).read_text()))
        made += [(row.model, Price(**price_columns(row)).tariff) for row in table.prices]
    return made


ALL = [*_litellm_table(), *_shipped()]


@st.composite
def calls(draw: st.DrawFn) -> tuple[Most, Usage]:
    """Return what a request may use at most, and a use within it."""
    writes: Writes = draw(st.sampled_from(["", "5m", "1h"]))
    most = Most(draw(st.integers(0, 1_200_000)), draw(st.integers(0, 130_000)), writes=writes)
    prompt = draw(st.integers(0, most.prompt))
    cached = draw(st.integers(0, prompt))
    written = draw(st.integers(0, prompt - cached)) if writes else 0
    hour = draw(st.integers(0, written)) if writes == "1h" else 0
    completion = draw(st.integers(0, most.completion))
    usage = Usage(
        prompt, completion, cached=cached, cache_write=written, cache_write_1h=hour, reasoning=draw(st.integers(0, completion)),
    )  # fmt: skip
    return most, usage


@settings(max_examples=40)
@given(calls())
def test_no_bill_of_any_model_of_any_table_is_above_its_bound(call: tuple[Most, Usage]) -> None:
    most, usage = call

    assert len(ALL) > 2_000
    assert [name for name, tariff in ALL if cost_microusd(usage, tariff) > bound_microusd(most, tariff)] == []


@given(st.integers(0, 1_200_000), st.integers(0, 130_000))
def test_who_caches_by_itself_may_bill_every_token_as_written(prompt: int, completion: int) -> None:
    usage, most = Usage(prompt, completion, cache_write=prompt), Most(prompt, completion)

    selves = [tariff for _, tariff in ALL if tariff.caches_by_itself]
    assert selves
    assert all(cost_microusd(usage, tariff) <= bound_microusd(most, tariff) for tariff in selves)


@pytest.mark.parametrize(
    "usage",
    [
        Usage(10, 5, reasoning=6), Usage(10, 0, cache_write=2, cache_write_1h=3), Usage(10, 0, searches=-1), Usage(10, 10**9),
    ],
)  # fmt: skip
def test_a_bill_whose_parts_do_not_fit_is_no_bill(usage: Usage) -> None:
    assert not usage.is_plausible
