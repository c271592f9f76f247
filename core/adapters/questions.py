"""Questions that every page asks anew with other ids: their statement is made once."""

from collections.abc import Callable, Sequence
from functools import lru_cache, wraps
from typing import Any, Final, NamedTuple, TypeAlias
from uuid import UUID, uuid4

from django.core.exceptions import EmptyResultSet
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import QuerySet

from core.adapters.rows import find_rows

Rows: TypeAlias = list[tuple[Any, ...]]
Given: TypeAlias = UUID | Sequence[UUID]
Question: TypeAlias = "QuerySet[Any, Any]"
_SHAPES: Final = 512
"""So many statements are kept: a question has one for each number of ids in its lists."""


def prepared(ask: Callable[..., Question]) -> Callable[..., Rows]:
    """Build the queryset of tuples that `ask` returns once for each number of ids, and ask it with other ids after that.

    `ask` is called with ids, or lists of them, that belong to nothing: they stand in its statement as they are, and all else
    in it stays as it was the first time. Where only ids differ, building a statement costs more than its answer.

    Raises:
        TypeError: an id does not stand in the statement.
    """

    @wraps(ask)
    def rows(*given: Given) -> Rows:
        line = connections[DEFAULT_DB_ALIAS]
        shape = tuple(None if isinstance(one, UUID) else len(one) for one in given)
        statement = _statement(ask, shape, line.vendor)
        if statement is None:
            return []
        ids = _flat(given)
        told = ids if line.features.has_native_uuid_field else [one.hex for one in ids]
        values = [value if place is None else told[place] for value, place in statement.values]
        return list(statement.compiler.results_iter([find_rows(statement.text, values)], tuple_expected=True))

    return rows


class _Statement(NamedTuple):
    text: str
    values: tuple[tuple[Any, int | None], ...]
    """Each value, or the place of the id that stands there."""
    compiler: Any
    """What knows how each column is read; it is asked for nothing else."""


@lru_cache(maxsize=_SHAPES)
def _statement(ask: Callable[..., Question], shape: tuple[int | None, ...], vendor: str) -> _Statement | None:
    """Return the statement; None: without ids there is nothing to find."""
    marks = [uuid4() if size is None else [uuid4() for _ in range(size)] for size in shape]
    line = connections[DEFAULT_DB_ALIAS]
    compiler = ask(*marks).query.get_compiler(connection=line)
    try:
        text, values = compiler.as_sql()
    except EmptyResultSet:
        return None
    is_native = line.features.has_native_uuid_field
    places = {mark if is_native else mark.hex: place for place, mark in enumerate(_flat(marks))}
    found = tuple((value, places.get(value) if isinstance(value, (UUID, str)) else None) for value in values)
    if missing := places.keys() - {value for value, place in found if place is not None}:
        msg = f"{ask.__qualname__} on {vendor}: {len(missing)} of its ids do not stand in its statement as they are"
        raise TypeError(msg)
    return _Statement(text, found, compiler)


def _flat(given: Sequence[Given]) -> list[UUID]:
    return [one for said in given for one in ([said] if isinstance(said, UUID) else said)]
