"""What attempts cost is read from their calls."""

import pytest
from django.utils import timezone

from agents.gateway.models import Call, ModelEntry, Provider
from core.registry import Assignment
from factory.work.models import Attempt
from tests.factory.work.hands import an_agents_task, take

pytestmark = pytest.mark.django_db


def pay(assignment: Assignment, *, model: ModelEntry, cost: int) -> None:
    """Let an attempt have paid for one call."""
    now = timezone.now()
    Call.objects.create(
        agent=assignment.agent,
        assignment_id=assignment.id,
        model=model,
        tier=model.tier,
        status=Call.Status.ANSWERED,
        bound_microusd=cost,
        cost_microusd=cost,
        started_at=now,
        ended_at=now,
        mode="rehearsal",
    )


def test_an_attempt_shows_the_sum_of_its_calls_and_the_last_model() -> None:
    provider = Provider.objects.create(name="lab", protocol="openai", base_url="http://127.0.0.1")
    small, large = (
        ModelEntry.objects.create(
            provider=provider, name=name, tier="budget", window_tokens=1, max_output_tokens=1
        )
        for name in ("small", "large")
    )
    an_agents_task()
    an_agents_task()
    paid, free = take(), take()
    assert paid is not None
    assert free is not None
    pay(paid, model=small, cost=30)
    pay(paid, model=large, cost=12)

    attempts = {attempt.pk: attempt for attempt in Attempt.objects.with_costs()}

    shown = [(attempts[one.id].cost_microusd, attempts[one.id].model) for one in (paid, free)]  # type: ignore[attr-defined]
    assert shown == [(42, "large"), (0, "")]
