"""Windows of time; the moment itself is always an argument."""

from datetime import UTC, datetime, timedelta


def start_of_day(moment: datetime) -> datetime:
    """Return the first instant of the UTC day that holds `moment`."""
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def end_of_day(moment: datetime) -> datetime:
    """Return the first instant of the next UTC day."""
    return start_of_day(moment) + timedelta(days=1)


def start_of_month(moment: datetime) -> datetime:
    """Return the first instant of the UTC month that holds `moment`."""
    return start_of_day(moment).replace(day=1)


def end_of_month(moment: datetime) -> datetime:
    """Return the first instant of the next UTC month."""
    return start_of_month(start_of_month(moment) + timedelta(days=32))
