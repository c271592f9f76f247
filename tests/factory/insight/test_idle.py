"""An idle factory costs nothing: whatever the ticker does in an hour, no model is asked. Source: R-08.29."""

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone
from pytest_django import Settings

from agents.gateway.models import Call
from agents.roster.services import sync_agents
from billing.models import Entry, Hold, MoneyAlert
from core.registry import chores
from core.services import found_installation, relay_waiting


@pytest.mark.django_db
def test_everything_the_ticker_does_in_an_idle_hour_asks_no_model(settings: Settings) -> None:
    found_installation("rehearsal")
    sync_agents(settings.DATA_DIR / "agents")
    with time_machine.travel(timezone.now(), tick=False) as clock:
        for _ in range(3):
            for chore in chores():
                if not chore.name.startswith("test."):  # made up by other tests
                    chore.run()
            relay_waiting()
            clock.shift(timedelta(minutes=20))

    assert {rows.objects.count() for rows in (Call, Hold, MoneyAlert)} == {0}
    assert not Entry.objects.filter(kind=Entry.Kind.MODEL_CALL).exists()
    assert Entry.objects.count() >= 3  # what costs whoever works was booked
