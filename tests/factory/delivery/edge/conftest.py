"""Stages for the edge's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.factory.delivery.edge.stage import Stage


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A running edge without products; nothing of it is left afterwards."""
    made = Stage(folder=tmp_path)
    made.edge.ensure()
    yield made
    made.end()
