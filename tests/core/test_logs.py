"""Log lines: who says it, in which story, and nothing secret."""

import json
import logging
import logging.config
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.test import Client

from core.adapters.logs import component, json_lines
from core.ids import new_id, story_of
from core.services import invite_person

PLAIN = ("hunter2secret", "abcdefgh12345678", "ghijkl", "klmnopqrstuv", "wordofmine")


@pytest.fixture
def written() -> Iterator[StringIO]:
    """Give everything that is logged in the test, as it would stand in the log."""
    given = json_lines()
    handler = logging.StreamHandler(StringIO())
    handler.setFormatter(given.pop("()")(**given))
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield handler.stream
    root.removeHandler(handler)
    root.setLevel(before)


def lines(written: StringIO) -> list[dict[str, Any]]:
    """Return what was written, line by line."""
    return [json.loads(line) for line in written.getvalue().splitlines()]


def test_a_line_says_which_process_wrote_it_and_in_which_story(written: StringIO) -> None:
    story = new_id()

    with story_of(story):
        logging.getLogger("shop").warning("shop.sold", extra={"ms": 12.5})

    [line] = lines(written)
    assert line["event"] == "shop.sold"
    assert line["ms"] == 12.5
    assert line["correlation_id"] == str(story)
    assert line["pid"] > 0
    assert line["component"]
    assert line["timestamp"].endswith("Z")


@pytest.mark.parametrize(
    "secret",
    [
        "postgres://factory:hunter2secret@127.0.0.1/x", "sk-ant-abcdefgh12345678", "Bearer abcdef.ghijkl-mnop",
        "fd_abcdefghijklmnopqrstuvwxyz", "redis://:wordofmine@host/0",
    ],
)  # fmt: skip
def test_no_key_token_or_password_reaches_the_log(written: StringIO, secret: str) -> None:
    try:
        raise ValueError(secret)
    except ValueError:
        logging.getLogger("shop").exception("shop.failed %s", secret, extra={"said": secret})

    assert "***" in written.getvalue()
    assert [word for word in PLAIN if word in written.getvalue()] == []


@pytest.mark.parametrize(
    ("command", "part"),
    [
        (["manage.py", "factory", "web", "--port", "8000"], "web"),
        (["manage.py", "factory", "run"], "factoryd"),
        (["celery", "-A", "celery_app", "worker", "-Q", "cloud"], "worker"),
        (["celery", "-A", "celery_app", "beat"], "beat"),
        (["manage.py", "factory", "doctor"], "doctor"),
    ],
)
def test_a_process_knows_which_part_it_is(command: list[str], part: str) -> None:
    assert component(command) == part


@pytest.mark.django_db
def test_a_request_is_one_line_with_its_time_and_without_its_address(
    written: StringIO, client: Client
) -> None:
    secret = invite_person()

    client.get(f"/join/{secret}/")

    [line] = [line for line in lines(written) if line["event"] == "web.request_answered"]
    assert line["status"] == 200
    assert line["ms"] > 0
    assert secret not in written.getvalue()
