"""The rows of money: the same steps in two dialects, side by side."""

from django.db import connection

from billing.adapters.windows import postgresql, sqlite
from billing.ports import Windows

__all__ = ["WINDOWS", "the_windows"]

WINDOWS: dict[str, Windows] = {"postgresql": postgresql.PostgresWindows(), "sqlite": sqlite.SqliteWindows()}


def the_windows() -> Windows:
    """Return the rows of money of the database that is in use."""
    return WINDOWS[connection.vendor]
