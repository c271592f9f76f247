"""A factory of its own on disk for every test of delivery."""

from pathlib import Path
from typing import Any

import pytest

from tests.factory.delivery.edge.stage import free_port


@pytest.fixture
def machine(tmp_path: Path, settings: Any) -> Path:
    """Return the factory's home: empty, with eight ports of its own."""
    first = free_port()
    settings.HOME = home = tmp_path / "home"
    settings.BLOBS_DIR, settings.PRODUCTS_DIR = home / "blobs", home / "products"
    settings.PRODUCT_PORTS = range(first, first + 8)
    home.mkdir()
    return home
