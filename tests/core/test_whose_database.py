"""One database belongs to one factory; any number of its processes may use it."""

from typing import Any

import pytest

from core.errors import AnotherFactory
from core.models import AuditRow, Installation
from core.services import adopt_database, claim_database, found_installation

pytestmark = pytest.mark.django_db


def test_every_process_of_a_factory_comes_in_and_another_factory_does_not(settings: Any) -> None:
    found_installation("rehearsal")
    claim_database()
    claim_database()

    settings.SECRET_KEY = "of another factory"  # noqa: S105

    with pytest.raises(AnotherFactory):
        claim_database()


def test_a_database_of_an_earlier_release_belongs_to_who_starts_first(settings: Any) -> None:
    found_installation("rehearsal")
    before = Installation.objects.get().mark

    claim_database()

    assert (before, len(Installation.objects.get().mark)) == ("", 64)
    assert settings.SECRET_KEY not in Installation.objects.get().mark


def test_a_replaced_secret_is_a_wish_of_its_own_and_leaves_its_trace(settings: Any) -> None:
    found_installation("rehearsal")
    claim_database()
    settings.SECRET_KEY = "replaced on purpose"  # noqa: S105

    adopt_database(by="owner:ada")
    claim_database()

    assert AuditRow.objects.get(verb="core.adopt_database").actor == "owner:ada"
