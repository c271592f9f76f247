"""The line of ready tasks: the same steps in two dialects, side by side."""

from django.db import connection

from factory.work.ports import Line

__all__ = ["LINES", "Line", "the_line"]

LINES: dict[str, Line] = {}
"""What this process uses, by the kind of its database."""


def the_line() -> Line:
    """Return the line of the database that is in use."""
    if (made := LINES.get(connection.vendor)) is None:
        made = LINES[connection.vendor] = _line_in(connection.vendor)
    return made


def _line_in(vendor: str) -> Line:
    if vendor == "postgresql":
        from factory.work.adapters.line.postgresql import PostgresLine  # noqa: PLC0415 (only who uses PostgreSQL loads its driver)

        return PostgresLine()
    from factory.work.adapters.line.sqlite import SqliteLine  # noqa: PLC0415

    return SqliteLine()
