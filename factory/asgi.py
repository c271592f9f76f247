"""The factory as an ASGI application, pages and sockets: `uvicorn factory.asgi:application`."""

import gc
import os
from typing import Any

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "factory.settings")
pages = get_asgi_application()  # apps are ready from here on

from agents.gateway.door.asgi import PREFIX, DoorHandler  # noqa: E402
from factory.console.consumers import socket_urls  # noqa: E402

doors = DoorHandler()


async def http(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Serve the models' door, which no cookie opens, without what stands before the pages."""
    await (doors if scope["path"].startswith(PREFIX) else pages)(scope, receive, send)


application = ProtocolTypeRouter(
    {"http": http, "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(socket_urls)))}
)

# What stands now stands until the end: the collector need not walk through all of it in the middle of a request.
get_resolver().url_patterns  # noqa: B018 (imports the pages)
gc.collect()
gc.freeze()
gc.set_threshold(10_000, 20, 50)
