"""Addresses: every app names its doors, the project puts them side by side."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.urls import URLPattern, URLResolver
from rest_framework.request import Request
from rest_framework.routers import Route, SimpleRouter

from core.api.rows import Door, Ground
from core.errors import NotFound

Doors = Mapping[str, type[Door]]
"""From the first part of an address to what stands behind it."""


class Router(SimpleRouter):
    """Lists, rows and verbs as usual; a door that has `read` stands for one thing, not for many."""

    routes = [
        Route(url="{prefix}/", mapping={"get": "read"}, name="{basename}-now", detail=False, initkwargs={}),
        *SimpleRouter.routes,
    ]


def addresses(apps: Iterable[Doors]) -> list[URLPattern | URLResolver]:
    """Return the addresses of all these doors."""
    router = Router(use_regex_path=False)
    for doors in apps:
        for prefix, door in doors.items():
            router.register(prefix, door, basename=door.noun or prefix)
    return list(router.urls)


class NoSuchDoor(Ground):
    """Every address below /api/ at which nothing stands."""

    schema = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Say so, whatever the method.

        Raises:
            NotFound: always.
        """
        raise NotFound(address=request.path)
