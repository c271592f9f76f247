"""The rows of money: the same steps in two dialects, side by side."""

from django.db import connection

from billing.ports import Windows

__all__ = ["WINDOWS", "the_windows"]

WINDOWS: dict[str, Windows] = {}
"""What this process uses, by the kind of its database."""


def the_windows() -> Windows:
    """Return the rows of money of the database that is in use."""
    if (made := WINDOWS.get(connection.vendor)) is None:
        made = WINDOWS[connection.vendor] = _windows_in(connection.vendor)
    return made


def _windows_in(vendor: str) -> Windows:
    if vendor == "postgresql":
        from billing.adapters.windows.postgresql import PostgresWindows  # noqa: PLC0415 (only who uses PostgreSQL loads its driver)

        return PostgresWindows()
    from billing.adapters.windows.sqlite import SqliteWindows  # noqa: PLC0415

    return SqliteWindows()
