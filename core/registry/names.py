"""One name, one thing: what all registries have in common."""

from typing import TypeVar

from core.errors import NameTaken

T = TypeVar("T")


def put(known: dict[str, T], *, name: str, thing: T) -> None:
    """Register `thing` under `name`.

    Raises:
        NameTaken: something else bears it.
    """
    if known.setdefault(name, thing) != thing:
        raise NameTaken(name=name)
