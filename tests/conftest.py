"""For all tests: a property is judged by what it says, never by how busy the machine is."""

import math
from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest
from django.db import connection
from django.test import TransactionTestCase
from hypothesis import HealthCheck, settings
from whitenoise.middleware import WhiteNoiseMiddleware

from agents.gateway.services import catalogue, health
from core.services import clock, machine_now
from tests.flows.databases import is_full
from tests.tables import copy_database, empty_tables
from tests.template import template_file, template_name

settings.register_profile("factory", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("factory")
TransactionTestCase._fixture_teardown = empty_tables  # type: ignore[attr-defined] # Django has no other place for it

clock.CHECK_S = math.inf  # time stands still in some tests, the database's clock does not

QUICK = {"rules", "core", "billing", "approvals", "insight", "portfolio"}
"""Folders of tests that hardly wait for anything."""

OTHERS_OUT = """
select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
"""


def pytest_configure(config: pytest.Config) -> None:
    """Make the tables while the test processes still collect."""
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        Thread(target=template_name if is_full() else template_file).start()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Copy a database whose tables are made, instead of making them for every test process."""
    copy_database()


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[None]:
    """Let the tables be emptied on SQLite, where the ledger's guard forbids it, and threads that sleep end on PostgreSQL."""
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        if connection.vendor == "sqlite":
            connection.cursor().execute("drop trigger if exists billing_entry_no_delete")
        machine_now()  # how far the database's clock is from ours, learnt before a test moves ours
    yield
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        if connection.vendor == "postgresql":
            connection.cursor().execute(OTHERS_OUT)


@pytest.fixture(scope="session", autouse=True)
def _static_files_are_looked_for_once() -> Iterator[None]:
    """Every client of a test makes the middleware anew, whose list of static files is always the same."""
    look, found = WhiteNoiseMiddleware.add_files_from_finders, dict[str, Any]()

    def look_once(middleware: WhiteNoiseMiddleware) -> None:
        if not found:
            look(middleware)
            found.update(middleware.files)
        middleware.files.update(found)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(WhiteNoiseMiddleware, "add_files_from_finders", look_once)
        yield


@pytest.fixture(autouse=True)
def _read_models_anew() -> None:
    """Forget the models of the test before, whose rows are gone."""
    catalogue.forget()
    health.forget()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with whole stories and end with what is quick, so that no worker is left alone at the end."""
    items.sort(key=lambda item: 0 if "flows" in item.path.parts else 2 if QUICK & {*item.path.parts} else 1)
