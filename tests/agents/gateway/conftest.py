"""A factory in real mode whose providers stand on loopback."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings

from agents.gateway import models
from agents.gateway.adapters.transport import hang_up
from agents.gateway.services import sync_prices
from core.services import found_installation
from tests.agents.gateway.fake_provider import KEYS, Provider, a_provider
from tests.faults.client import Faults, faulty_provider


@pytest.fixture(scope="module")
def server() -> Iterator[Faults]:
    """Return one server that lies as it is told, for a whole file."""
    with faulty_provider() as running:
        yield running


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Return the shipped table alone, without the catalogue beside it."""
    made = tmp_path / "prices.yaml"
    made.write_text((Path(django_settings.DATA_DIR) / "prices.yaml").read_text())
    return made


@pytest.fixture
def provider(db: None, settings: Any, table: Path) -> Iterator[Provider]:
    """Give both providers' rows the address of one local server, and both keys."""
    settings.MODEL_KEYS = dict(KEYS)
    found_installation("real")
    sync_prices(table)
    with a_provider() as running:
        models.Provider.objects.update(base_url=running.url)
        yield running
        hang_up()
        assert running.complaints == [], "what we send must be what real providers take"
