"""Rows written for every model call: the statement of a model is made once, values go through their fields as ever."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, TypeAlias
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import AutoField, BooleanField, CharField, Field, IntegerField, Model, TextField

AnyField: TypeAlias = "Field[Any, Any]"


def insert_row(row: Model) -> None:
    """Write a new row as `save(force_insert=True)` does, without building its statement anew."""
    statement, fields = _insertion(type(row))
    values = [_told(field, field.pre_save(row, add=True)) for field in fields]
    if row.pk is None:
        row.pk = _run(f'{statement} RETURNING "{row._meta.pk.column}"', values).fetchone()[0]
    else:
        _run(statement, values)
    row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS


def update_row(model: type[Model], key: UUID, /, **values: Any) -> bool:
    """Give the row of this key these values; say whether it is there."""
    statement, fields = _change(model, tuple(values))
    told = [_told(field, values[field.attname]) for field in fields]
    return bool(_run(statement, [*told, model._meta.pk.get_db_prep_value(key, connection)]).rowcount)


def find_rows(statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Return what a statement of ours finds, as the driver tells it; what is asked for every call need not be built anew."""
    found: list[tuple[Any, ...]] = _run(statement, values).fetchall()
    return found


def _run(statement: str, values: Sequence[Any]) -> Any:
    """Let the driver itself carry out a statement of ours, and return its cursor.

    In a file the way through Django's cursor costs more than the statement; a server's driver needs it to bind values.
    """
    if connection.vendor != "sqlite" or connection.execute_wrappers or connection.queries_logged:
        cursor = connection.cursor()
        cursor.execute(statement, values)
        return cursor
    connection.validate_no_broken_transaction()
    if connection.connection is None:
        connection.ensure_connection()
    with connection.wrap_database_errors:
        return connection.connection.execute(_with_marks(statement), values)


@lru_cache(maxsize=256)
def _with_marks(statement: str) -> str:
    return statement.replace("%s", "?")


_PLAIN: Final = frozenset({str, int, bool, type(None)})
_KINDS: Final = (CharField, TextField, IntegerField, BooleanField)


def _told(field: AnyField, value: Any) -> Any:
    """Return a value as the driver takes it; plain ones need no field to say so."""
    if type(value) in _PLAIN and isinstance(field, _KINDS):
        return value
    return field.get_db_prep_save(value, connection)


@lru_cache(maxsize=64)
def _insertion(model: type[Model]) -> tuple[str, tuple[AnyField, ...]]:
    fields = tuple(field for field in model._meta.concrete_fields if not isinstance(field, AutoField))
    names = ", ".join(f'"{field.column}"' for field in fields)
    places = ", ".join(["%s"] * len(fields))
    return f'INSERT INTO "{model._meta.db_table}" ({names}) VALUES ({places})', fields  # noqa: S608 (names of our own)


@lru_cache(maxsize=64)
def _change(model: type[Model], names: tuple[str, ...]) -> tuple[str, tuple[AnyField, ...]]:
    by_name = {field.attname: field for field in model._meta.concrete_fields}
    fields = tuple(by_name[name] for name in names)
    told = ", ".join(f'"{field.column}" = %s' for field in fields)
    key = model._meta.pk.column
    return f'UPDATE "{model._meta.db_table}" SET {told} WHERE "{key}" = %s', fields  # noqa: S608 (names of our own)
