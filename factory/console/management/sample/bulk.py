"""Many rows at once: one prepared statement on SQLite, COPY on PostgreSQL."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection, models
from django.db.models.expressions import DatabaseDefault


def insert_rows(rows: Sequence[models.Model]) -> None:
    """Write new rows of one model as they are, with the values that `save` would write."""
    if not rows:
        return
    model = type(rows[0])
    fields = [field for field in model._meta.concrete_fields if not isinstance(field, models.BigAutoField)]
    prepared = (
        tuple(field.get_db_prep_save(_value_of(row, field), connection=connection) for field in fields)
        for row in rows
    )
    insert_values(model, columns=[str(field.column) for field in fields], values=prepared)


def _value_of(row: models.Model, field: "models.Field[Any, Any]") -> Any:
    """Return the value, where the database would fill one in that one."""
    value = getattr(row, field.attname)
    return field.db_default if isinstance(value, DatabaseDefault) else value


def insert_values(
    model: type[models.Model], *, columns: Sequence[str], values: Iterable[tuple[Any, ...]]
) -> None:
    """Write rows whose values are in the database's own form already."""
    quote = connection.ops.quote_name
    table, names = quote(model._meta.db_table), ", ".join(quote(column) for column in columns)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                for row in values:
                    copy.write_row(row)
        else:
            places = ", ".join(["%s"] * len(columns))
            cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({places})", _all(values))  # noqa: S608 (our own names)


def _all(values: Iterable[tuple[Any, ...]]) -> Any:
    """Return them as they come: the driver reads any iterable, only its type says it wants a list."""
    return values
