"""The rows of money: the same steps in two dialects, side by side."""

from django.db import DEFAULT_DB_ALIAS, connections

from billing.ports import Windows

__all__ = ["WINDOWS", "the_windows"]

WINDOWS: dict[str, Windows] = {}
"""What this process uses, by the kind of its database."""


def the_windows() -> Windows:
    """Return the rows of money of the database that is in use."""
    vendor = connections[DEFAULT_DB_ALIAS].vendor
    if (made := WINDOWS.get(vendor)) is None:
        made = WINDOWS[vendor] = _windows_in(vendor)
    return made


def _windows_in(vendor: str) -> Windows:
    if vendor == "postgresql":
        from billing.adapters.windows.postgresql import PostgresWindows  # noqa: PLC0415 (only who uses PostgreSQL loads its driver)

        return PostgresWindows()
    from billing.adapters.windows.sqlite import SqliteWindows  # noqa: PLC0415

    return SqliteWindows()
