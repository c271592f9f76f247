"""A factory in which something happened, for all tests of a file."""

from collections.abc import Iterator
from copy import deepcopy

import pytest
from django.db import transaction
from pytest_django import DjangoDbBlocker

from factory.insight.services import shares
from tests.factory.console.story import Story, a_story


@pytest.fixture(scope="module")
def told(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Story]:
    """Tell the story once for a file whose tests all begin with it, in a transaction around theirs."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield a_story()
        transaction.set_rollback(True)


@pytest.fixture
def story(told: Story, db: None) -> Story:
    """Return a filled factory: tried twice, sold once, one release taken back, two questions open."""
    shares._months.cache_clear()  # a test takes its entries back, which no ledger does
    return deepcopy(told)
