"""Where a page of rows that are ordered by time and id begins."""

from datetime import UTC, datetime
from uuid import UUID


def cursor_of(at: datetime, pk: UUID) -> str:
    """Return the place behind this row, as an address holds it."""
    return f"{at.isoformat()}~{pk}"


def place_of(cursor: str) -> tuple[datetime, UUID] | None:
    """Return the time, in UTC, and the id of the row before the page; None: no page of ours says so."""
    moment, _, name = cursor.partition("~")
    try:
        at, pk = datetime.fromisoformat(moment), UUID(name)
        return (at.astimezone(UTC), pk) if at.tzinfo else None
    except (ValueError, OverflowError):
        return None
