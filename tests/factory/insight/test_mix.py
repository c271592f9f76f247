"""Whether cheap models and caches do their share: told once a week, of enough calls."""

import pytest
import time_machine
from django.utils import timezone

from agents.gateway.models import Call, ModelEntry, Provider
from billing.models import MoneyAlert
from billing.services import book_entry, factory_scope
from core.ids import new_id
from core.services import found_installation
from factory.insight.services import watch_caches, watch_mix
from tests.builders import an_agent

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


def reads(
    agent: str, *, count: int = 100, prompt: int = 2_000, cached: int | None = 0, tier: str = "mid"
) -> None:
    """Let an agent be answered so often, each time from so many tokens of a cache."""
    calls(**{tier: 0})
    model, now = ModelEntry.objects.get(name=tier), timezone.now()
    Call.objects.bulk_create(
        Call(
            agent=agent, assignment_id=new_id(), model=model, tier=tier, task_type="general", reason="", status="answered", bound_microusd=1,
            cost_microusd=1, prompt_tokens=prompt, completion_tokens=1, cached_tokens=cached, prompt_sha256="", mode="real", ended_at=now,
        )
        for _ in range(count)
    )  # fmt: skip


@pytest.mark.parametrize(
    ("said", "told_of"),
    [
        ({"cached": 399}, 1), ({"cached": None}, 1), ({"cached": 400}, 0), ({"cached": 399, "count": 99}, 0),
        ({"prompt": 1_023}, 0), ({"tier": "local"}, 0),
    ],
)  # fmt: skip
def test_an_agent_that_reads_too_little_from_caches_is_told_of(said: dict[str, int], told_of: int) -> None:
    found_installation("rehearsal")
    an_agent("Rex")
    reads("Rex", **said)  # type: ignore[arg-type]

    assert (watch_caches(), watch_caches()) == (told_of, 0)
    assert list(MoneyAlert.objects.values_list("rule", "scope__ref")) == [("cache", "Rex")] * told_of


def test_one_agent_is_told_of_and_the_other_is_not() -> None:
    found_installation("rehearsal")
    for name in ("Rex", "Hawk"):
        an_agent(name)
    reads("Rex", cached=1_500)
    reads("Hawk", cached=100)

    assert watch_caches() == 1
    assert MoneyAlert.objects.get().scope.ref == "Hawk"
    assert MoneyAlert.objects.get().amount_microusd == 5
