"""A factory in real mode whose providers stand on loopback."""

from collections.abc import Iterator
from typing import Any

import pytest

from agents.gateway import models
from agents.gateway.adapters.transport import hang_up
from agents.gateway.services import sync_prices
from core.services import found_installation
from tests.agents.gateway.fake_provider import KEYS, Provider, a_provider


@pytest.fixture
def provider(db: None, settings: Any) -> Iterator[Provider]:
    """Give both providers' rows the address of one local server, and both keys."""
    settings.MODEL_KEYS = dict(KEYS)
    found_installation("real")
    sync_prices()
    with a_provider() as running:
        models.Provider.objects.update(base_url=running.url)
        yield running
        hang_up()
        assert running.complaints == [], "what we send must be what real providers take"
