"""A database has one mode for ever: a factory that is told the other one does not start on it."""

from typing import Any

import pytest

from core.errors import ModeFixed
from core.models import Installation
from core.services import found_installation
from factory.console.management.verbs.run import prepare


@pytest.mark.parametrize(("made_for", "told"), [("rehearsal", "real"), ("real", "rehearsal")])
def test_a_database_made_for_one_mode_is_refused_in_the_other(
    db: None, settings: Any, made_for: str, told: str
) -> None:
    found_installation(made_for)
    settings.MODE = told

    with pytest.raises(ModeFixed, match="keeps it"):
        prepare()

    assert Installation.objects.get().mode == made_for
