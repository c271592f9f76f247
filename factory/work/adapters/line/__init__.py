"""The line of ready tasks: the same steps in two dialects, side by side."""

from django.db import connection

from factory.work.adapters.line import postgresql, sqlite
from factory.work.ports import Line

__all__ = ["LINES", "Line", "the_line"]

LINES: dict[str, Line] = {"postgresql": postgresql.PostgresLine(), "sqlite": sqlite.SqliteLine()}


def the_line() -> Line:
    """Return the line of the database that is in use."""
    return LINES[connection.vendor]
