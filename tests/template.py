"""A database whose tables are made, once for all tests: copying it takes a moment, migrating anew takes seconds."""

import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from psycopg.conninfo import conninfo_to_dict

ROOT = Path(__file__).resolve().parents[1]
KEPT_IN = ROOT / "var" / "templates"


@cache
def template_file() -> Path:
    """Return the file of an SQLite database to copy."""
    made = KEPT_IN / f"{_digest()}.sqlite3"
    with _alone():
        if not made.exists():
            for old in made.parent.glob("*.sqlite3"):
                old.unlink()
            with TemporaryDirectory(dir=made.parent) as home:
                _migrate({"FACTORY_HOME": home})
                (Path(home) / "db.sqlite3").rename(made)
    return made


@cache
def template_name() -> str:
    """Return the name of a database to copy, on the PostgreSQL of whoever runs the tests."""
    url, name = os.environ["FACTORY_DATABASE_URL"], f"factory_template_{_digest()}"
    with (
        _alone(),
        TemporaryDirectory() as home,
        psycopg.connect(url, autocommit=True) as server,
    ):
        found = server.execute(
            "SELECT datname FROM pg_database WHERE starts_with(datname, 'factory_template_')"
        )
        if name not in (known := {row[0] for row in found}):
            for old in known:
                server.execute(f'DROP DATABASE "{old}" WITH (FORCE)'.encode())
            server.execute('CREATE DATABASE "factory_template_draft"')
            _migrate({"FACTORY_HOME": home, "FACTORY_DATABASE_URL": url_of("factory_template_draft")})
            server.execute(f'ALTER DATABASE "factory_template_draft" RENAME TO "{name}"'.encode())
    return name


def url_of(name: str) -> str:
    """Return where the database of this name is, on the PostgreSQL of whoever runs the tests."""
    parts = conninfo_to_dict(os.environ["FACTORY_DATABASE_URL"])
    return "postgres://{user}:{password}@{host}:{port}/".format(**parts) + name


@contextmanager
def _alone() -> Iterator[None]:
    """Let one test process at a time through."""
    KEPT_IN.mkdir(parents=True, exist_ok=True)
    with (KEPT_IN / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _migrate(where: Mapping[str, str]) -> None:
    """Make the tables by the migrations, as a first start does."""
    ours = {"PATH": os.environ["PATH"], "FACTORY_MODE": "rehearsal"}
    command = [sys.executable, str(ROOT / "manage.py"), "migrate", "--no-input", "-v0"]
    subprocess.run(command, env={**ours, **where}, check=True)  # noqa: S603 (our own command)


def _digest() -> str:
    """Return what changes when a migration of ours or the version of a library does."""
    found = hashlib.sha256((ROOT / "requirements-dev.txt").read_bytes())
    for file in sorted(ROOT.glob("*/migrations/*.py")) + sorted(ROOT.glob("*/*/migrations/*.py")):
        found.update(f"{file.relative_to(ROOT)}".encode() + file.read_bytes())
    return found.hexdigest()[:16]
