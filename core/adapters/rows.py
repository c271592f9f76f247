"""Rows written for every model call: the statement of a model is made once, values go through their fields as ever."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import (
    AutoField,
    BooleanField,
    CharField,
    DateField,
    DateTimeField,
    Field,
    ForeignKey,
    IntegerField,
    Model,
    TextField,
    UUIDField,
)

M = TypeVar("M", bound=Model)
AnyField: TypeAlias = "Field[Any, Any]"
Line: TypeAlias = Any
"""This thread's connection itself: what stands before it costs more than most of what is asked of it here."""


class _Column(NamedTuple):
    field: AnyField
    name: str
    is_plain: bool
    """A plain value needs no field to say how the driver takes it."""
    is_made: bool
    """Its field makes the value when the row is written."""
    is_id: bool
    is_moment: bool


def new_row(model: type[M], /, **said: Any) -> M:
    """Return a row that is not written yet, as `model(**said)` does, by the names of its columns."""
    return model(*[said.pop(name) if name in said else make() for name, make in _blank(model)], **said)


def insert_row(row: Model) -> None:
    """Write a new row as `save(force_insert=True)` does, without building its statement anew."""
    statement, columns = _insertion(type(row))
    line, said = connections[DEFAULT_DB_ALIAS], vars(row)
    values = [
        _told(line, one, one.field.pre_save(row, add=True) if one.is_made else said[one.name])
        for one in columns
    ]
    if row.pk is None:
        row.pk = _run(line, f'{statement} RETURNING "{row._meta.pk.column}"', values).fetchone()[0]
    else:
        _run(line, statement, values)
    row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS


def update_row(model: type[Model], key: UUID, /, **values: Any) -> bool:
    """Give the row of this key these values; say whether it is there."""
    statement, columns = _change(model, tuple(values))
    line = connections[DEFAULT_DB_ALIAS]
    told = [_told(line, one, value) for one, value in zip(columns, values.values(), strict=True)]
    return bool(_run(line, statement, [*told, model._meta.pk.get_db_prep_value(key, line)]).rowcount)


def find_rows(statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """Return what a statement of ours finds, as the driver tells it; what is asked for every call need not be built anew."""
    found: list[tuple[Any, ...]] = _run(connections[DEFAULT_DB_ALIAS], statement, values).fetchall()
    return found


def _run(line: Line, statement: str, values: Sequence[Any]) -> Any:
    """Let the driver itself carry out a statement of ours, and return its cursor.

    In a file the way through Django's cursor costs more than the statement; a server's driver needs it to bind values.
    """
    if line.vendor != "sqlite" or line.execute_wrappers or line.queries_logged:
        cursor = line.cursor()
        cursor.execute(statement, values)
        return cursor
    line.validate_no_broken_transaction()
    if line.connection is None:
        line.ensure_connection()
    with line.wrap_database_errors:
        return line.connection.execute(_with_marks(statement), values)


@lru_cache(maxsize=256)
def _with_marks(statement: str) -> str:
    return statement.replace("%s", "?")


_PLAIN: Final = frozenset({str, int, bool, type(None)})
_KINDS: Final = (CharField, TextField, IntegerField, BooleanField)


def _told(line: Line, column: _Column, value: Any) -> Any:
    """Return a value as the driver takes it."""
    kind = type(value)
    if value is None or (column.is_plain and kind in _PLAIN):
        return value
    if column.is_id and kind is UUID:
        return value if line.features.has_native_uuid_field else value.hex
    if column.is_moment and kind is datetime and value.tzinfo is not None:
        return line.ops.adapt_datetimefield_value(value)
    return column.field.get_db_prep_save(value, line)


@lru_cache(maxsize=64)
def _blank(model: type[Model]) -> tuple[tuple[str, Callable[[], Any]], ...]:
    return tuple((field.attname, _default_of(field)) for field in model._meta.concrete_fields)


def _default_of(field: AnyField) -> Callable[[], Any]:
    """Return what gives a column's default; one that is always the same is looked up once."""
    if callable(field.default):
        return field.get_default
    value = field.get_default()
    return lambda: value


@lru_cache(maxsize=64)
def _insertion(model: type[Model]) -> tuple[str, tuple[_Column, ...]]:
    fields = tuple(field for field in model._meta.concrete_fields if not isinstance(field, AutoField))
    names = ", ".join(f'"{field.column}"' for field in fields)
    places = ", ".join(["%s"] * len(fields))
    statement = f'INSERT INTO "{model._meta.db_table}" ({names}) VALUES ({places})'  # noqa: S608 (names of our own)
    return statement, tuple(map(_column, fields))


@lru_cache(maxsize=64)
def _change(model: type[Model], names: tuple[str, ...]) -> tuple[str, tuple[_Column, ...]]:
    by_name = {field.attname: field for field in model._meta.concrete_fields}
    fields = tuple(by_name[name] for name in names)
    told = ", ".join(f'"{field.column}" = %s' for field in fields)
    key = model._meta.pk.column
    statement = f'UPDATE "{model._meta.db_table}" SET {told} WHERE "{key}" = %s'  # noqa: S608 (names of our own)
    return statement, tuple(map(_column, fields))


def _column(field: AnyField) -> _Column:
    is_date = isinstance(field, DateField) and not (field.auto_now or field.auto_now_add)
    return _Column(
        field,
        name=field.attname,
        is_plain=isinstance(field, _KINDS),
        is_made=type(field).pre_save is not Field.pre_save and not is_date,
        is_id=isinstance(field.target_field if isinstance(field, ForeignKey) else field, UUIDField),
        is_moment=type(field) is DateTimeField,
    )
