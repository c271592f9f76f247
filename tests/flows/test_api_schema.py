"""The OpenAPI document: it is the one that is written down, every answer is one it foresaw, and lists stay cheap."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import yaml
from django.conf import settings as project
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from core.services import found_installation, issue_device_token
from tests.builders import a_user
from tests.callers import asked, bearer, document
from tests.flows.filled import fill

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
WRITTEN = Path(project.BASE_DIR) / "docs" / "api.yaml"
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def test_the_document_is_the_one_that_is_written_down() -> None:
    assert yaml.load(WRITTEN.read_text(), Loader=LOADER) == document(), "write it: `make api`"  # noqa: S506 (a safe one)


def test_whoever_may_read_gets_the_document_and_strangers_do_not(owner: str) -> None:
    told = bearer(owner).get("/api/v1/schema/")

    assert yaml.load(told.content, Loader=LOADER) == document()  # noqa: S506 (a safe one)
    assert Client().get("/api/v1/schema/").status_code == 401
    assert Client().get("/api/v1/docs/").headers["Location"].startswith("/login/")


@pytest.fixture
def owner(db: None, settings: Any) -> str:
    """Return the secret of an owner's device that nobody slows down."""
    settings.API_CALLS_PER_MINUTE = 1_000_000
    found_installation("rehearsal")
    return issue_device_token(a_user(), name="tester", by="test")[1]


@pytest.fixture
def _kept_connection() -> Iterator[None]:
    """Let requests leave the connection of the test alone, as Django's own test client does."""
    request_started.disconnect(close_old_connections)
    request_finished.disconnect(close_old_connections)
    yield
    request_started.connect(close_old_connections)
    request_finished.connect(close_old_connections)


@pytest.mark.usefixtures("_kept_connection")
@pytest.mark.parametrize("examples", [1, pytest.param(20, marks=pytest.mark.drill)], ids=["suite", "drill"])
def test_no_call_breaks_a_door_or_gets_an_answer_nobody_foresaw(owner: str, examples: int) -> None:
    keys = fill("Nightwatch")
    schema: Any = schemathesis.openapi.from_dict(document())
    schema.app = get_wsgi_application()
    headers = {"Authorization": f"Bearer {owner}"}

    for found in schema.get_all_operations():
        _try(found.ok(), keys=keys, headers=headers, examples=examples)


def _try(operation: Any, *, keys: Mapping[str, str], headers: Mapping[str, str], examples: int) -> None:
    """Call one operation with arguments that fit and that do not, at made-up addresses and where something stands."""
    row = keys.get(operation.path.split("/")[3])
    named = [one.name for one in operation.path_parameters]
    real = {"path_parameters": dict.fromkeys(named, row)} if row and len(named) == 1 else {}
    for mode in GenerationMode:
        for place in [{}, real] if real else [{}]:
            _call(operation.as_strategy(generation_mode=mode, **place), headers=headers, examples=examples)


def _call(cases: SearchStrategy[Any], *, headers: Mapping[str, str], examples: int) -> None:
    @given(case=cases)
    @settings(
        max_examples=examples, derandomize=True, database=None, deadline=None, phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    def call(case: Any) -> None:
        with transaction.atomic():
            case.call_and_validate(headers=dict(headers), checks=CHECKS)
            transaction.set_rollback(True)

    call()


def test_lists_of_twice_as_many_rows_cost_no_more_queries(owner: str) -> None:
    client = bearer(owner)
    lists = [path for path, said in document()["paths"].items() if _is_list(said)]
    fill("Nightwatch")
    asked(client, "me")
    few = {path: _queries(client, path) for path in lists}

    fill("Daylight")
    many = {path: _queries(client, path) for path in lists}

    assert [path for path in lists if len(client.get(path).json()["results"]) < 2] == [], (
        "these prove nothing"
    )
    assert many == few


def _is_list(said: Mapping[str, Any]) -> bool:
    return "get" in said and said["get"]["operationId"].endswith("_list")


def _queries(client: Client, path: str) -> int:
    with CaptureQueriesContext(connection) as seen:
        assert client.get(path).status_code == 200
    return len(seen)
