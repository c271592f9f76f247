"""The line of ready tasks: the same steps in two dialects, side by side."""

from django.db import connection

from factory.work.adapters.line import postgresql, sqlite
from factory.work.ports import Line

_LINES: dict[str, Line] = {"postgresql": postgresql.PostgresLine(), "sqlite": sqlite.SqliteLine()}


def the_line() -> Line:
    """Return the line of the database that is in use."""
    return _LINES[connection.vendor]
