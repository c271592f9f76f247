"""Rows written for every model call: the statement of a model is made once, values go through their fields as ever."""

from functools import lru_cache
from typing import Any, TypeAlias
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import AutoField, Field, Model

AnyField: TypeAlias = "Field[Any, Any]"


def insert_row(row: Model) -> None:
    """Write a new row as `save(force_insert=True)` does, without building its statement anew."""
    statement, fields = _insertion(type(row))
    values = [field.get_db_prep_save(field.pre_save(row, add=True), connection) for field in fields]
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        if row.pk is None:
            row.pk = cursor.fetchone()[0]
    row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS


def update_row(model: type[Model], key: UUID, /, **values: Any) -> bool:
    """Give the row of this key these values; say whether it is there."""
    statement, fields = _change(model, tuple(values))
    told = [field.get_db_prep_save(values[field.attname], connection) for field in fields]
    with connection.cursor() as cursor:
        cursor.execute(statement, [*told, model._meta.pk.get_db_prep_value(key, connection)])
        return bool(cursor.rowcount)


@lru_cache(maxsize=64)
def _insertion(model: type[Model]) -> tuple[str, tuple[AnyField, ...]]:
    fields = tuple(field for field in model._meta.concrete_fields if not isinstance(field, AutoField))
    names = ", ".join(f'"{field.column}"' for field in fields)
    places = ", ".join(["%s"] * len(fields))
    statement = f'INSERT INTO "{model._meta.db_table}" ({names}) VALUES ({places})'  # noqa: S608 (names of our own)
    key = model._meta.pk
    return (f'{statement} RETURNING "{key.column}"' if isinstance(key, AutoField) else statement), fields


@lru_cache(maxsize=64)
def _change(model: type[Model], names: tuple[str, ...]) -> tuple[str, tuple[AnyField, ...]]:
    by_name = {field.attname: field for field in model._meta.concrete_fields}
    fields = tuple(by_name[name] for name in names)
    told = ", ".join(f'"{field.column}" = %s' for field in fields)
    key = model._meta.pk.column
    return f'UPDATE "{model._meta.db_table}" SET {told} WHERE "{key}" = %s', fields  # noqa: S608 (names of our own)
