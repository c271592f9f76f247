"""Every test here happens in a rehearsal, so that business time may be advanced."""

import pytest

from core.models import Mode
from core.services import found_installation


@pytest.fixture
def rehearsal(db: None) -> None:
    """Found a rehearsal."""
    found_installation(Mode.REHEARSAL)
