"""The database's settings, from one URL: PostgreSQL with a pool, or SQLite in a file when there is none."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import connection

CONNECT_S = 5
POOL_SIZE = 20
"""Connections one process may hold at most; a request that finds none free waits `POOL_S`."""
POOL_S = 10
IDLE_IN_TRANSACTION_MS = 60_000
"""A process that freezes inside a transaction loses it, so that its row locks hold up nobody for longer."""
SESSION = (
    "-c jit=off -c plan_cache_mode=force_generic_plan -c random_page_cost=1.1"
    f" -c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION_MS}"
)
"""Keys are read through their index from the first row on: a plan made while a table is empty is kept for long.

Compiling a claim costs fifteen times what it saves, planning it anew each time six times what running it costs.
"""

Settings = dict[str, Any]


def database(url: str, *, home: Path) -> Settings:
    """Return Django's settings for the database behind `url`; for the file in `home` when `url` is empty.

    Raises:
        ValueError: the URL is none of PostgreSQL's.
    """
    return postgres(url) if url else sqlite(home)


def sqlite(home: Path) -> Settings:
    """Return the settings of the database file in `home`."""
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": home / "db.sqlite3",
        "TEST": {"NAME": home / "test.sqlite3"},
        "OPTIONS": {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-8000; "
            "PRAGMA wal_autocheckpoint=4000;",
        },
    }


def postgres(url: str) -> Settings:
    """Return the settings of a PostgreSQL database: `postgres://user:password@host:port/name?sslmode=…`.

    Connections come from a pool and are asked whether they live before they are used.

    Raises:
        ValueError: the URL is none of PostgreSQL's.
    """
    from psycopg import ProgrammingError  # noqa: PLC0415 (only who uses PostgreSQL loads its driver)
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415

    try:
        parts: Settings = {} if "://" not in url else conninfo_to_dict(url)
    except ProgrammingError:
        parts = {}
    if not parts.get("dbname"):
        raise ValueError("write postgres://user:password@host:port/name")
    more = {name: parts.pop(name) for name in [*parts] if name not in NAMED}
    more["options"] = f"{more.get('options', '')} {SESSION}".strip()
    return {
        "ENGINE": "django.db.backends.postgresql",
        **{django: str(parts.get(name, "")) for name, django in NAMED.items()},
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "connect_timeout": CONNECT_S,
            "application_name": "factory",
            **more,
            "pool": {"min_size": 0, "max_size": POOL_SIZE, "timeout": POOL_S},
        },
    }


NAMED = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}


@contextmanager
def only_one(name: str) -> Iterator[None]:
    """Let one process at a time through, of all that use this database; a file has its own lock."""
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(hashtext(%s))", [name])
        try:
            yield
        finally:
            cursor.execute("SELECT pg_advisory_unlock(hashtext(%s))", [name])


def forget_rows() -> None:
    """Remove every table of a PostgreSQL database; a file is removed as a file."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
