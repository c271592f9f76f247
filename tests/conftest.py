"""For all tests: a property is judged by what it says, never by how busy the machine is."""

import pytest
from django.db import connection
from hypothesis import HealthCheck, settings

from agents.gateway.services import catalogue, health

settings.register_profile("factory", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("factory")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> None:
    """Let the tables be emptied between tests on SQLite, where that deletes rows and the ledger's guard forbids it."""
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        if connection.vendor == "sqlite":
            connection.cursor().execute("drop trigger if exists billing_entry_no_delete")


@pytest.fixture(autouse=True)
def _read_models_anew() -> None:
    """Forget the models of the test before, whose rows are gone."""
    catalogue.forget()
    health.forget()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with whole stories, which take longest, so that no worker is left alone with one at the end."""
    items.sort(key=lambda item: "flows" not in item.path.parts)
