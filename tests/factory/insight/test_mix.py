"""Whether cheap models do their share: told once a week, of enough calls."""

import pytest
import time_machine

from agents.gateway.models import ModelEntry, Provider
from billing.models import MoneyAlert
from billing.services import book_entry, factory_scope
from core.ids import new_id
from core.services import found_installation
from factory.insight.services import watch_mix

pytestmark = pytest.mark.django_db


def calls(**counts: int) -> None:
    """Let models of these tiers be asked so often."""
    provider, _ = Provider.objects.get_or_create(
        name="maker", protocol="openai", base_url="https://m.example"
    )
    for tier, count in counts.items():
        ModelEntry.objects.get_or_create(
            provider=provider, name=tier, tier=tier, window_tokens=1_000, max_output_tokens=100
        )
        for _ in range(count):
            book_entry(
                factory_scope(),
                kind="model_call",
                ref=str(new_id()),
                amount_microusd=1,
                facts={"asked": tier},
            )


def told() -> list[tuple[str, int]]:
    return list(MoneyAlert.objects.order_by("rule").values_list("rule", "amount_microusd"))


@pytest.mark.parametrize(
    ("counts", "found"),
    [
        ({"budget": 60, "mid": 30, "frontier": 10}, []),
        ({"local": 30, "budget": 20, "mid": 35, "frontier": 15}, []),
        ({"budget": 49, "mid": 41, "frontier": 10}, [("cheap", 49)]),
        ({"budget": 52, "mid": 30, "frontier": 18}, [("top", 18)]),
        ({"mid": 50, "frontier": 49}, []),
    ],
)
def test_too_few_cheap_and_too_many_top_calls_are_told_of_a_hundred(
    counts: dict[str, int], found: list[tuple[str, int]]
) -> None:
    found_installation("rehearsal")
    calls(**counts)

    watch_mix()

    assert told() == found


def test_a_mix_is_told_once_a_week() -> None:
    found_installation("rehearsal")
    with time_machine.travel("2026-03-04T12:00:00Z", tick=False) as clock:
        calls(frontier=100)
        news = [watch_mix(), watch_mix()]
        clock.move_to("2026-03-08T12:00:00Z")
        news.append(watch_mix())
        clock.move_to("2026-03-09T12:00:00Z")
        news.append(watch_mix())

    assert news == [2, 0, 0, 2]
