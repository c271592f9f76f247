"""What people type wrong and what goes wrong around them: one sentence, an exit code, never a traceback."""

import shutil
import socket
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.flows.stack import ROOT, Said, Stack

FAILED, ASKED_BACK, REFUSED, NOT_FOUND, UNAVAILABLE = 1, 2, 3, 4, 6


def alone(home: Path, **said: Any) -> Stack:
    """Return a factory of the embedded profile: these stories are about its home."""
    return Stack(home, profile="embedded", **said)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """Return a factory that never ran: its tables are made, nothing is in them."""
    stack = alone(tmp_path_factory.mktemp("made"))
    stack.home.mkdir(exist_ok=True)
    stack.database.fill()
    stack.python("from factory.console.management.verbs.run import prepare; prepare()")
    return stack


@pytest.fixture
def house(made: Stack, tmp_path: Path) -> Stack:
    """Return a copy of it that a test may break."""
    shutil.copytree(made.home, tmp_path / "home")
    return alone(tmp_path / "home")


@pytest.fixture
def taken() -> Iterator[int]:
    """Return a port on which another program listens."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def is_plain(said: Said) -> bool:
    """Say whether a person got one short sentence and no inner words."""
    lines = said.err.strip().splitlines()
    return (
        len(lines) == 1
        and len(lines[0]) < 400
        and "Traceback" not in said.sentence
        and "Error(" not in lines[0]
    )


@pytest.mark.parametrize("idea", ["", "   ", "asdf qwrt", "12345 !!! ???", "<>"])
def test_an_idea_that_says_nothing_is_asked_back(made: Stack, idea: str) -> None:
    said = made.cli("build", idea)

    assert said.code == ASKED_BACK
    assert is_plain(said)
    assert "say in a sentence who needs what" in said.err


def test_the_demo_asks_an_empty_idea_back_before_it_makes_anything(tmp_path: Path) -> None:
    stack = alone(tmp_path / "home")

    said = stack.cli("demo", "--exit", "--idea", "")

    assert said.code == ASKED_BACK
    assert is_plain(said)
    assert not (stack.home / "db.sqlite3").exists()


def test_an_idea_in_a_field_that_is_left_alone_is_refused_with_the_rule(made: Stack) -> None:
    said = made.cli("build", "a diagnosis app for heart patients")

    assert said.code != 0
    assert is_plain(said)
    assert "health is a regulated field" in said.err
    assert made.value("SELECT count(*) FROM portfolio_product") == 0


def test_an_idea_of_forty_kilobytes_is_refused_with_its_limit(made: Stack) -> None:
    said = made.cli("build", "remind small firms before contracts end " * 1_000)

    assert said.code != 0
    assert is_plain(said)
    assert "32 KB" in said.err


def test_an_unknown_reference_names_the_known_ones(made: Stack) -> None:
    said = made.cli("build", "--product", "nosuch")

    assert said.code == NOT_FOUND
    assert is_plain(said)
    assert "cronpilot" in said.err


def test_a_reference_is_a_name_and_no_path(made: Stack) -> None:
    said = made.cli("build", "--product", "../prices")

    assert said.code == NOT_FOUND
    assert is_plain(said)


def test_a_release_of_an_unknown_product_names_the_known_ones(made: Stack) -> None:
    said = made.cli("release", "nosuch")

    assert said.code == NOT_FOUND
    assert is_plain(said)


def test_a_release_of_a_product_that_is_not_written_yet_is_refused(house: Stack) -> None:
    assert house.cli("build", "remind small firms before their contracts end").code == 0

    said = house.cli("release", house.value("SELECT slug FROM portfolio_product"))

    assert said.code == REFUSED
    assert is_plain(said)
    assert house.value("SELECT count(*) FROM work_dag") == 1


@pytest.mark.parametrize("port", ["65536", "-1", "eighty"])
def test_a_port_that_cannot_be_is_refused_without_a_traceback(made: Stack, port: str) -> None:
    said = made.cli("run", "--port", port)

    assert said.code == ASKED_BACK
    assert "Traceback" not in said.err
    assert "--port" in said.err


def test_a_missing_signals_file_is_said_plainly(made: Stack) -> None:
    said = made.cli("scan", "/nowhere/signals.jsonl")

    assert said.code != 0
    assert is_plain(said)
    assert "signals.jsonl" in said.err


def test_a_folder_is_no_signals_file(made: Stack, tmp_path: Path) -> None:
    said = made.cli("scan", str(tmp_path), "--json")

    assert said.code != 0
    assert is_plain(said)


def test_a_day_that_does_not_exist_is_asked_back(made: Stack) -> None:
    said = made.cli("scan", str(ROOT / "data" / "signals.jsonl"), "--as-of", "2026-02-30")

    assert said.code == ASKED_BACK
    assert is_plain(said)
    assert "2026-02-30" in said.err


def test_a_taken_port_is_said_before_anything_is_begun(tmp_path: Path, taken: int) -> None:
    stack = alone(tmp_path / "home")

    said = stack.cli("run", "--port", str(taken))

    assert said.code == FAILED
    assert is_plain(said)
    assert f"Port {taken} is taken" in said.err
    assert not (stack.home / "db.sqlite3").exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FACTORY_COLOUR", "blue"),
        ("FACTORY_PORT", "eighty"),
        ("FACTORY_MODE", "dream"),
        ("FACTORY_PRODUCT_PORTS", "many"),
        ("FACTORY_DATABASE_URL", "mysql://factory:word@localhost/factory"),
        ("FACTORY_REDIS_URL", "localhost:6379"),
    ],
)
def test_a_setting_that_does_not_exist_or_cannot_be_read_stops_the_start(
    tmp_path: Path, name: str, value: str
) -> None:
    said = alone(tmp_path / "home", more={name: value}).cli("run")

    assert said.code != 0
    assert is_plain(said)
    assert name in said.err


@pytest.mark.parametrize("verb", ["worker", "beat"])
def test_a_part_of_the_full_profile_says_what_it_needs(made: Stack, verb: str) -> None:
    said = made.cli(verb)

    assert said.code == ASKED_BACK
    assert is_plain(said)
    assert "FACTORY_REDIS_URL" in said.err


def test_pages_on_their_own_want_a_database_that_is_prepared(tmp_path: Path) -> None:
    said = alone(tmp_path / "home").cli("web")

    assert said.code == UNAVAILABLE
    assert is_plain(said)
    assert "factory prepare" in said.err


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "FACTORY_NODE_KEY needs FACTORY_NODE_URL"),
        ({"FACTORY_NODE_URL": "http://factory.example"}, "must begin with https://"),
        (
            {"FACTORY_NODE_URL": "https://factory.example", "FACTORY_DATABASE_URL": "postgres://a:b@c/d"},
            "has no database",
        ),
        (
            {"FACTORY_NODE_URL": "https://factory.example", "FACTORY_DATABASE_URL": ""},
            "only `factory node serve` works",
        ),
    ],
)
def test_a_node_says_what_it_lacks_and_what_it_does_not_have(
    tmp_path: Path, more: dict[str, str], words: str
) -> None:
    nowhere = {"FACTORY_DATABASE_URL": ""}
    said = Stack(tmp_path / "home", more={"FACTORY_NODE_KEY": "fn_key", **nowhere, **more}).cli("status")

    assert said.code != 0
    assert is_plain(said)
    assert words in said.err


@pytest.mark.drill
def test_a_locked_database_is_said_plainly(house: Stack) -> None:
    with closing(sqlite3.connect(house.home / "db.sqlite3", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        said = house.cli("stop")

    assert said.code == UNAVAILABLE
    assert is_plain(said)
    assert "locked" in said.err


def test_a_database_of_another_kind_is_said_plainly(house: Stack) -> None:
    (house.home / "db.sqlite3").write_bytes(b"this is no database " * 500)

    said = house.cli("stop")

    assert said.code == UNAVAILABLE
    assert is_plain(said)


def test_a_verb_before_the_first_start_says_what_to_do(tmp_path: Path) -> None:
    said = alone(tmp_path / "home").cli("stop")

    assert said.code == UNAVAILABLE
    assert is_plain(said)
    assert "factory run" in said.err


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return the folder of a disk of six megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    if not mount("-t", "tmpfs", "-o", "size=6m", "none", str(place)):
        pytest.skip("this user may not mount a small disk")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)  # noqa: S603, S607


def mount(*words: str) -> bool:
    """Mount something; say whether that was allowed."""
    return subprocess.run(["mount", *words], capture_output=True, check=False).returncode == 0  # noqa: S603, S607


def fill(disk: Path) -> None:
    """Leave no byte of a disk free."""
    with (disk / "filler").open("wb", buffering=0) as filler, suppress(OSError):
        while True:
            filler.write(b"0" * 4096)


@pytest.mark.parametrize(
    "verb",
    [("stop",), ("run", "--port", "1024"), ("build", "remind small firms before contracts end")],
    ids=["stop", "run", "build"],
)
def test_a_full_disk_is_said_plainly(small_disk: Path, made: Stack, verb: tuple[str, ...]) -> None:
    shutil.copytree(made.home, small_disk / "home")
    fill(small_disk)

    said = alone(small_disk / "home").cli(*verb)

    assert said.code == UNAVAILABLE
    assert is_plain(said)
    assert "disk is full" in said.err


def test_a_first_start_on_a_full_disk_is_said_plainly(small_disk: Path) -> None:
    (small_disk / "home").mkdir()
    fill(small_disk)

    said = alone(small_disk / "home").cli("run", "--port", "1024")

    assert said.code != 0
    assert is_plain(said)


@pytest.mark.parametrize("verb", [("stop",), ("run", "--port", "1024")], ids=["stop", "run"])
def test_a_home_that_cannot_be_written_is_said_plainly(
    small_disk: Path, made: Stack, verb: tuple[str, ...]
) -> None:
    shutil.copytree(made.home, small_disk / "home")
    assert mount("-o", "remount,ro", str(small_disk))

    said = alone(small_disk / "home").cli(*verb)

    assert said.code == UNAVAILABLE
    assert is_plain(said)


def test_a_home_that_cannot_be_made_is_said_plainly(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")

    said = alone(tmp_path / "file" / "home").cli("stop")

    assert said.code != 0
    assert is_plain(said)
