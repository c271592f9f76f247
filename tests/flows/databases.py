"""A factory's database, asked from outside and without a way to write."""

import itertools
import json
import os
import re
import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

import psycopg
import redis
from psycopg.rows import dict_row

from tests.template import template_file, template_name, url_of

Row = dict[str, Any]
NUMBERS = itertools.count()
REDIS_EACH = 10
"""How many numbers of Redis databases one test process uses in turn."""


class Database(Protocol):
    """Where one factory keeps its rows."""

    @property
    def settings(self) -> dict[str, str]:
        """What the factory must be told to find it."""

    def rows(self, question: str, values: Sequence[object]) -> list[Row]:
        """Answer a question in SQL; values stand where it has a `?`."""

    def fill(self) -> None:
        """Make its tables, unless it has some."""

    def remove(self) -> None:
        """Leave nothing of it."""


@dataclass(frozen=True)
class File:
    """SQLite in the factory's home."""

    home: Path

    @property
    def settings(self) -> dict[str, str]:
        """None: it is the default."""
        return {}

    def rows(self, question: str, values: Sequence[object]) -> list[Row]:
        """Answer a question in SQL."""
        with closing(
            sqlite3.connect(f"file:{self.home}/db.sqlite3?mode=ro", uri=True, timeout=30)
        ) as database:
            database.row_factory = sqlite3.Row
            return [dict(row) for row in database.execute(question, values)]

    def fill(self) -> None:
        """Make its tables, by copying them."""
        if not (self.home / "db.sqlite3").exists():
            shutil.copyfile(template_file(), self.home / "db.sqlite3")

    def remove(self) -> None:
        """It goes with the home."""


@dataclass(frozen=True)
class Server:
    """A PostgreSQL database and a Redis of the factory's own.

    Attributes:
        url: where the rows are.
        redis_url: where messages go.
        name: of the database that goes with the factory; empty when its server goes.
    """

    url: str
    redis_url: str
    name: str = ""

    @classmethod
    def fresh(cls, *, redis_url: str = "") -> "Server":
        """Make a database with empty tables on the PostgreSQL of whoever runs the tests, and take a number on their Redis."""
        name = f"flow_{os.getpid()}_{next(NUMBERS)}"
        _manage(f'CREATE DATABASE "{name}" TEMPLATE "{template_name()}"')
        made = cls(url_of(name), redis_url or own_redis_number(), name)
        redis.Redis.from_url(made.redis_url).flushdb()
        return made

    @property
    def settings(self) -> dict[str, str]:
        """The two URLs of the full profile."""
        return {"FACTORY_DATABASE_URL": self.url, "FACTORY_REDIS_URL": self.redis_url}

    def rows(self, question: str, values: Sequence[object]) -> list[Row]:
        """Answer a question in SQL; ids and numbers come as SQLite gives them."""
        with psycopg.connect(self.url, row_factory=dict_row, autocommit=True) as database:
            database.read_only = True
            asked = question.replace("%", "%%").replace("?", "%s").encode()
            found = database.execute(asked, list(values)).fetchall()
        return [{name: _plain(value) for name, value in row.items()} for row in found]

    def fill(self) -> None:
        """Nothing to do: a fresh one has them, and any other stays as it is."""

    def remove(self) -> None:
        """Drop the database, whoever is still there."""
        if self.name:
            redis.Redis.from_url(self.redis_url).flushdb()
            _manage(f'DROP DATABASE IF EXISTS "{self.name}" WITH (FORCE)')


def own_redis_number() -> str:
    """Return the URL of a Redis database that no other running test uses."""
    worker = int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or 0)
    place = re.sub(r"/\d*$", "", os.environ["FACTORY_REDIS_URL"])
    return f"{place}/{1 + worker * REDIS_EACH + next(NUMBERS) % REDIS_EACH}"


def is_full() -> bool:
    """Say whether whoever runs the tests gave them PostgreSQL and Redis."""
    return bool(os.environ.get("FACTORY_DATABASE_URL") and os.environ.get("FACTORY_REDIS_URL"))


def _manage(order: str) -> None:
    with psycopg.connect(os.environ["FACTORY_DATABASE_URL"], autocommit=True) as database:
        database.execute(order.encode())


def _plain(value: object) -> object:
    match value:
        case UUID():
            return value.hex
        case Decimal():
            return int(value)
        case dict() | list():
            return json.dumps(value)
        case _:
            return value
