"""Log lines: who says it, in which story, and nothing secret."""

import json
import logging
import logging.config
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.test import Client

from core.adapters.logs import DailyFile, component, json_lines
from core.ids import new_id, story_of, working_on
from core.services import invite_person

PLAIN = ("hunter2secret", "abcdefgh12345678", "ghijkl", "klmnopqrstuv", "wordofmine")
SECRETS = [
    "postgres://factory:hunter2secret@127.0.0.1/x", "sk-ant-abcdefgh12345678", "Bearer abcdef.ghijkl-mnop",
    "fd_abcdefghijklmnopqrstuvwxyz", "redis://:wordofmine@host/0",
]  # fmt: skip


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


@pytest.mark.parametrize("secret", SECRETS)
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


def test_a_line_of_work_says_which_task_and_whose(written: StringIO) -> None:
    task = new_id()

    with working_on(task, agent="Rex"):
        logging.getLogger("shop").warning("shop.sold")
        logging.getLogger("shop").warning("shop.asked", extra={"agent": "Hawk"})
    logging.getLogger("shop").warning("shop.closed")

    first, second, third = lines(written)
    assert (first["task"], first["agent"]) == (str(task), "Rex")
    assert second["agent"] == "Hawk"
    assert "task" not in third


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[Path]:
    """Log into the files of a folder, and give the folder."""
    given = json_lines()
    handler = DailyFile(str(tmp_path / "logs"))
    handler.setFormatter(given.pop("()")(**given))
    logger = logging.getLogger("shop")
    logger.addHandler(handler)
    yield tmp_path / "logs"
    logger.removeHandler(handler)
    handler.close()


def test_each_day_has_its_file_and_thirty_are_kept(logs: Path) -> None:
    day = datetime(2026, 1, 1, 23, 59, tzinfo=UTC)

    for number in range(40):
        with time_machine.travel(day + timedelta(days=number), tick=False):
            logging.getLogger("shop").warning("shop.sold", extra={"number": number})

    kept = sorted(path.name for path in logs.iterdir())
    assert (len(kept), kept[0], kept[-1]) == (30, "2026-01-11.jsonl", "2026-02-09.jsonl")
    assert json.loads((logs / kept[0]).read_text())["number"] == 10


def test_no_secret_reaches_the_file_and_nobody_else_may_read_it(logs: Path) -> None:
    for secret in SECRETS:
        logging.getLogger("shop").warning("shop.sold %s", secret, extra={"key": secret})

    [file] = logs.iterdir()
    assert [word for word in PLAIN if word in file.read_text()] == []
    assert file.stat().st_mode & 0o777 == 0o600


def test_lines_of_many_threads_never_mix(logs: Path) -> None:
    def write() -> None:
        for number in range(50):
            logging.getLogger("shop").warning("shop.sold", extra={"words": "x" * 3_000, "number": number})

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    [file] = logs.iterdir()
    assert len([json.loads(line) for line in file.read_text().splitlines()]) == 200


def test_a_folder_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("not a folder")
    handler = DailyFile(str(tmp_path / "logs"))

    handler.handle(logging.makeLogRecord({"msg": "shop.sold", "levelno": logging.WARNING}))

    assert (tmp_path / "logs").read_text() == "not a folder"
